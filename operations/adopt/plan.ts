/** Decides what adoption does with each relation, and how entities and members are named. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { type Catalog, type ForeignKey, identifier, type Relation, relationText } from "./catalog.ts";
import { isSecret, memberNames, singular, snakeCase, UniqueNames } from "./names.ts";

/** What the user asked for. */
export interface AdoptionRequest {
  /** Relations in their order. */
  readonly relations: readonly Relation[];
  /** Tables whose rows become part of another table's documents. */
  readonly children: readonly Relation[];
  /** Tables where TRUNCATE deletes each entity. */
  readonly truncate: readonly Relation[];
  /** Names of the replicas that get the rows. */
  readonly replicas: readonly string[];
}

/** Why a relation cannot be captured, and the statement or step that changes that. */
export interface Obstacle {
  readonly problem: string;
  readonly remedy: string;
}

/** A relation that is not adopted. */
export interface Refusal {
  /** Its name with its schema. */
  readonly relation: string;
  readonly obstacles: readonly Obstacle[];
}

/** A table whose rows become documents, or lines of documents. */
interface PlannedRows {
  readonly relation: Relation;
  readonly key: readonly string[];
  /** Members of the document by column. */
  readonly members: ReadonlyMap<string, string>;
  /** Columns that replicas do not get. */
  readonly secrets: readonly string[];
}

/** Rows that become lines of their parent's documents. */
export interface PlannedChild extends PlannedRows {
  /** Member of the parent's document. */
  readonly member: string;
  /** Columns with the parent's key, in its order. */
  readonly parentKey: readonly string[];
}

/** A table whose rows become entities. */
export interface PlannedEntity extends PlannedRows {
  readonly name: string;
  readonly plural: string;
  readonly children: readonly PlannedChild[];
  readonly references: readonly { readonly column: string; readonly entity: string; readonly constraint: string }[];
  /** Foreign keys of several columns, or to tables that are no entities. */
  readonly otherForeignKeys: readonly ForeignKey[];
  readonly truncate: "refuse" | "delete";
  readonly replicas: readonly string[];
  /** Name of the table in the replicas. */
  readonly replicaTable: string;
}

/** The whole decision. */
export interface AdoptionPlan {
  readonly entities: readonly PlannedEntity[];
  readonly refused: readonly Refusal[];
  /** Tables that the project declares already. */
  readonly declared: readonly { readonly relation: string; readonly entity: string }[];
  /** Tables that could be children, with their parent. */
  readonly hints: readonly { readonly relation: string; readonly parent: string }[];
}

/** Names that the gateway's own routes have, and those of the canary. */
const RESERVED_NAMES = ["health", "metrics", "openapi", "asyncapi", "canary", "canaries", "lockstep"];

/**
 * @param obstacles of each relation by its oid, as `lockstep.capture_obstacles` found them.
 * @param existing the entities that the project declares.
 */
export function planAdoption(
  { relations }: Catalog,
  request: AdoptionRequest,
  obstacles: ReadonlyMap<number, readonly Obstacle[]>,
  existing: readonly EntityDeclaration[],
): AdoptionPlan {
  const declaredAs = new Map(
    existing.flatMap(({ name, table, children }) =>
      [table, ...Object.values(children).map((child) => child.table)].map((one) => [
        relationText(withSchema(one)),
        name,
      ]),
    ),
  );
  const refused: Refusal[] = [];
  const declared: AdoptionPlan["declared"][number][] = [];
  const accepted: Relation[] = [];
  for (const relation of request.relations) {
    const entity = declaredAs.get(relationText(relation));
    const found = [...obstaclesOfKind(relation), ...(isTable(relation) ? (obstacles.get(relation.oid) ?? []) : [])];
    if (entity !== undefined) declared.push({ relation: relationText(relation), entity });
    else if (found.length > 0) refused.push({ relation: relationText(relation), obstacles: found });
    else accepted.push(relation);
  }
  const parents = new Map<Relation, ForeignKey>();
  for (const child of request.children.filter((one) => accepted.includes(one))) {
    const key = parentKeyOf(
      child,
      relations,
      accepted.filter((one) => !request.children.includes(one)),
    );
    if (key) parents.set(child, key);
    else refused.push({ relation: relationText(child), obstacles: [NO_PARENT] });
  }
  const own = accepted.filter((relation) => !request.children.includes(relation));
  const entities = nameEntities(own, existing, request).map((named) =>
    complete(named, { parents, declaredAs, request }),
  );
  return {
    entities: resolveReferences(entities, declaredAs),
    refused,
    declared,
    hints: own.flatMap((relation) => hintOf(relation, relations, own)),
  };
}

const withSchema = ({ schema = "public", name }: { readonly schema?: string; readonly name: string }) => ({
  schema,
  name,
});

const isTable = ({ kind, partitionOf }: Relation): boolean => (kind === "r" || kind === "p") && partitionOf === null;

const NO_PARENT: Obstacle = {
  problem:
    "cannot be part of another document: no foreign key leads from the first columns of its key to the key of an adopted table",
  remedy: "adopt the parent in the same command, or leave the table out of --children",
};

/** Reasons that need no look into the database. */
function obstaclesOfKind({ kind, partitionOf, key }: Relation): Obstacle[] {
  if (kind === "v") return [{ problem: "is a view: its rows are those of other tables", remedy: "adopt these tables" }];
  if (kind === "m")
    return [{ problem: "is a materialized view: its rows are those of other tables", remedy: "adopt these tables" }];
  if (kind === "f")
    return [
      { problem: "is a foreign table: no trigger sees its changes", remedy: "adopt the table in its own database" },
    ];
  if (partitionOf !== null)
    return [{ problem: `is a partition of ${partitionOf}`, remedy: `adopt ${partitionOf}, which includes its rows` }];
  if (key === null)
    return [
      {
        problem: "has no primary key, and no unique index on columns without null",
        remedy: "add one: alter table … add primary key (…)",
      },
    ];
  return [];
}

interface Named {
  readonly relation: Relation;
  readonly name: string;
  readonly plural: string;
  readonly replicaTable: string;
}

/** Names are taken in the order of the catalogue: a table of `public` keeps the short name, others get their schema. */
function nameEntities(
  relations: readonly Relation[],
  existing: readonly EntityDeclaration[],
  { replicas }: AdoptionRequest,
): Named[] {
  // `payment` and `payments` would be easy to confuse, so both forms of a name are taken together.
  const names = new UniqueNames([
    ...RESERVED_NAMES,
    ...existing.flatMap(({ name, plural }) => [name, singular(plural)]),
  ]);
  const tables = new UniqueNames([
    "canaries",
    ...existing.flatMap((entity) =>
      entity.replicas.filter(({ name }) => replicas.includes(name)).map(({ table }) => table.name),
    ),
  ]);
  return relations.map((relation) => {
    const word = wordOf(relation.name);
    const long = `${wordOf(relation.schema)}_${word}`;
    const name = names.take(singular(word), singular(long));
    return {
      relation,
      name,
      plural: name === singular(word) ? word : name === singular(long) ? long : name,
      replicaTable: tables.take(relation.name, `${relation.schema}_${relation.name}`),
    };
  });
}

/** Begins with a letter, as names of entities do. */
function wordOf(name: string): string {
  const word = snakeCase(name) || "table";
  return /^[a-z]/.test(word) ? word : `t_${word}`;
}

interface Context {
  readonly parents: ReadonlyMap<Relation, ForeignKey>;
  readonly declaredAs: ReadonlyMap<string, string>;
  readonly request: AdoptionRequest;
}

function complete(named: Named, { parents, request }: Context): PlannedEntity {
  const { relation } = named;
  const children = [...parents].filter(([, key]) => isTarget(key, relation));
  const childNames = memberNames(
    children.map(([child]) => child.name),
    relation.columns.flatMap(({ name }) => [name, ...memberNames([name]).values()]),
  );
  return {
    ...named,
    ...rowsOf(relation),
    children: children.map(([child, { columns }]) => ({
      ...rowsOf(child),
      key: (child.key ?? []).filter((column) => !columns.includes(column)),
      member: childNames.get(child.name)!,
      parentKey: relation.key!.map((column) => columns[foreignColumn(children, child, column)]!),
    })),
    references: [],
    otherForeignKeys: relation.foreignKeys,
    truncate: request.truncate.includes(relation) ? "delete" : "refuse",
    replicas: request.replicas,
  };
}

/** Position in the child's foreign key of the column that refers to the parent's column. */
const foreignColumn = (
  children: readonly (readonly [Relation, ForeignKey])[],
  child: Relation,
  column: string,
): number => children.find(([one]) => one === child)![1].targetColumns.indexOf(column);

const isTarget = ({ target }: ForeignKey, { schema, name }: Relation): boolean =>
  target.schema === schema && target.name === name;

function rowsOf(relation: Relation): PlannedRows {
  const key = relation.key!;
  return {
    relation,
    key,
    members: memberNames(relation.columns.map(({ name }) => name)),
    secrets: relation.columns.map(({ name }) => name).filter((name) => isSecret(name) && !key.includes(name)),
  };
}

/** Foreign keys of one column to the key of an entity become references. */
function resolveReferences(
  entities: readonly PlannedEntity[],
  declaredAs: ReadonlyMap<string, string>,
): PlannedEntity[] {
  const names = new Map([
    ...declaredAs,
    ...entities.map(({ relation, name }) => [relationText(relation), name] as const),
  ]);
  return entities.map((entity) => {
    const references = entity.otherForeignKeys.flatMap(({ name: constraint, columns, target }) => {
      const referred = names.get(relationText(target));
      return columns.length === 1 && referred !== undefined
        ? [{ column: columns[0]!, entity: referred, constraint }]
        : [];
    });
    const resolved = new Set(references.map(({ constraint }) => constraint));
    const unique = references.filter(({ column }, i) => references.findIndex((one) => one.column === column) === i);
    return {
      ...entity,
      references: unique,
      otherForeignKeys: entity.otherForeignKeys.filter(({ name }) => !resolved.has(name)),
    };
  });
}

/** The foreign key from the first columns of a table's key to the whole key of a parent: the longest one. */
function parentKeyOf(child: Relation, all: readonly Relation[], parents: readonly Relation[]): ForeignKey | undefined {
  const candidates = child.foreignKeys.filter(({ columns, targetColumns, target }) => {
    const parent = all.find(({ schema, name }) => schema === target.schema && name === target.name);
    if (!parent || parent === child || !parents.includes(parent) || !parent.key || !child.key) return false;
    const first = child.key.slice(0, columns.length);
    return (
      columns.length < child.key.length &&
      first.every((column) => columns.includes(column)) &&
      targetColumns.length === parent.key.length &&
      parent.key.every((column) => targetColumns.includes(column))
    );
  });
  return candidates.sort((a, b) => b.columns.length - a.columns.length)[0];
}

/** Names that lines of a document usually have. */
const LINES = /(^|_)(line|item|detail|entry|position|part)s?$/;

/** A table with the name of lines, whose rows go with their parent's row, and to which no other table refers. */
function hintOf(relation: Relation, all: readonly Relation[], parents: readonly Relation[]): AdoptionPlan["hints"] {
  const key = parentKeyOf(relation, all, parents);
  if (key?.onDelete !== "c" || !LINES.test(snakeCase(relation.name))) return [];
  if (all.some(({ foreignKeys }) => foreignKeys.some((one) => isTarget(one, relation)))) return [];
  return [{ relation: relationText(relation), parent: relationText(key.target) }];
}

/** A refusal as one line: `app.sessions is unlogged …; remedy: …`. */
export const refusalText = ({ relation, obstacles }: Refusal): string =>
  obstacles.map(({ problem, remedy }) => `${relation} ${problem}; ${remedy}`).join("\n");

/** Names the table in texts for people. */
export const plannedText = ({ relation, key }: PlannedEntity): string =>
  `${relationText(relation)} (${key.map(identifier).join(", ")})`;
