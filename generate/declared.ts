/** What all declarations of a project want, and what migrations that people wrote have made already. Pure. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Table } from "../contracts/entity/table.ts";
import type { Migration, Project } from "../contracts/project.ts";
import { isConstant } from "./columns.ts";
import type { DeclaredDatabase } from "./expand-database.ts";
import { replicaTables } from "./replica-state.ts";
import type { DatabaseState, Snapshot } from "./snapshot.ts";
import { byName } from "./sort.ts";
import { entityState, enumsOf, sourceTables } from "./source-state.ts";

const tablesOf = (tables: readonly { readonly name: string; readonly state: DatabaseState["tables"][string] }[]) =>
  byName(Object.fromEntries(tables.map(({ name, state }) => [name, state])));

/** The tables of these entities in the source. */
export function declaredSource(entities: readonly EntityDeclaration[]): DeclaredDatabase {
  const enums = Object.assign({}, ...entities.map(enumsOf)) as NonNullable<DatabaseState["enums"]>;
  return {
    ...(Object.keys(enums).length === 0 ? {} : { enums: byName(enums) }),
    tables: tablesOf(entities.flatMap(sourceTables)),
  };
}

/**
 * The tables of a replica.
 *
 * @param from the replica's database: `lockstep adopt` creates enum types there, which need new words too.
 */
export const declaredReplica = (
  entities: readonly EntityDeclaration[],
  name: string,
  from: DatabaseState = { tables: {} },
): DeclaredDatabase => ({
  ...(from.enums ? { enums: { ...from.enums, ...wordsOf(entities, Object.keys(from.enums)) } } : {}),
  tables: tablesOf(
    entities.flatMap(({ replicas }) => replicas.filter((replica) => replica.name === name).flatMap(replicaTables)),
  ),
});

/** The declared words of these enum types. */
function wordsOf(
  entities: readonly EntityDeclaration[],
  types: readonly string[],
): NonNullable<DatabaseState["enums"]> {
  const declared = Object.assign({}, ...entities.map(enumsOf)) as NonNullable<DatabaseState["enums"]>;
  return Object.fromEntries(
    types.flatMap((type) => {
      const words = declared[type] ?? declared[type.replace(/^public\./, "")];
      return words ? [[type, words] as const] : [];
    }),
  );
}

/** Constants that rows have in the source by a default, and so in the replica: by table and column of the replica. */
export function fillersOf(
  entities: readonly EntityDeclaration[],
  name: string,
): Readonly<Record<string, Readonly<Record<string, string>>>> {
  return Object.fromEntries(
    entities.flatMap((entity) => {
      const replica = entity.replicas.find((one) => one.name === name);
      if (!replica) return [];
      const [own, ...children] = replicaTables(replica);
      const [source, ...sourceChildren] = sourceTables(entity);
      const unchanged = replica.unchanged.flatMap((member) => replica.fields[member]?.column ?? []);
      const childNames = Object.keys(entity.children);
      return [
        [own!.name, constants(source!.state.columns, unchanged)] as const,
        ...children.map((child, i) => {
          const source = sourceChildren[childNames.indexOf(Object.keys(replica.children)[i]!)]!;
          return [child.name, constants(source.state.columns, Object.keys(child.state.columns))] as const;
        }),
      ];
    }),
  );
}

const constants = (columns: DatabaseState["tables"][string]["columns"], names: readonly string[]) =>
  Object.fromEntries(
    names.flatMap((name) => {
      const text = columns[name]?.default;
      return text !== undefined && isConstant(text) ? [[name, text] as const] : [];
    }),
  );

/**
 * Adds to a snapshot what migrations have made without it: entities that they capture, and tables that they create.
 * People wrote these migrations, or `lockstep adopt` or `lockstep init` did.
 *
 * @returns the snapshot, and the names of the entities that were added.
 */
export function withWrittenMigrations(
  snapshot: Snapshot,
  { entities, migrations, replicaNames }: Pick<Project, "entities" | "migrations" | "replicaNames">,
): { readonly snapshot: Snapshot; readonly found: readonly string[] } {
  const found = entities.filter(({ name }) => !snapshot.entities[name] && captures(migrations.source, name));
  const isCreated = ({ table }: EntityDeclaration) => createsTable(migrations.source, table);
  const source = declaredSource(found.filter(isCreated));
  const enums = { ...source.enums, ...snapshot.source.enums };
  return {
    found: found.map(({ name }) => name),
    snapshot: {
      ...snapshot,
      entities: {
        ...snapshot.entities,
        ...Object.fromEntries(found.map((entity) => [entity.name, entityState(entity, !isCreated(entity))])),
      },
      source: {
        ...snapshot.source,
        ...(Object.keys(enums).length === 0 ? {} : { enums }),
        tables: { ...source.tables, ...snapshot.source.tables },
      },
      replicas: Object.fromEntries(
        replicaNames.map((name) => [
          name,
          withWrittenTables(snapshot.replicas[name] ?? { tables: {} }, entities, name, migrations.replicas[name] ?? []),
        ]),
      ),
    },
  };
}

function withWrittenTables(
  state: DatabaseState,
  entities: readonly EntityDeclaration[],
  name: string,
  written: readonly Migration[],
): DatabaseState {
  const { tables } = declaredReplica(entities, name);
  const replicas = entities.flatMap(({ replicas }) => replicas.filter((replica) => replica.name === name));
  const known = replicas
    .flatMap((replica) => [replica, ...Object.values(replica.children)].map(({ table }, i) => ({ table, replica, i })))
    .filter(({ table }) => createsTable(written, table))
    .map(({ replica, i }) => replicaTables(replica)[i]!.name);
  const added = known.filter((table) => !state.tables[table]).map((table) => [table, tables[table]!] as const);
  const enums = { ...wordsOf(entities, createdEnums(written)), ...state.enums };
  return {
    ...state,
    ...(Object.keys(enums).length === 0 ? {} : { enums }),
    tables: { ...Object.fromEntries(added), ...state.tables },
  };
}

/** Names of the enum types that migrations create. */
const createdEnums = (migrations: readonly Migration[]): string[] =>
  migrations.flatMap(({ sql }) =>
    [...sql.matchAll(/create\s+type\s+((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)\s+as\s+enum/gi)].map(([, name]) => name!),
  );

const captures = (migrations: readonly Migration[], entity: string): boolean => {
  const call = new RegExp(`lockstep\\.capture\\(\\s*E?'[^']*'(?:::regclass)?\\s*,\\s*'${entity}'`);
  return migrations.some(({ sql }) => call.test(sql));
};

const createsTable = (migrations: readonly Migration[], { schema, name }: Table): boolean => {
  const quoted = (text: string) => `"?${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}"?`;
  const prefix = schema === undefined ? '(?:"?public"?\\.)?' : `${quoted(schema)}\\.`;
  const statement = new RegExp(`create\\s+table\\s+(?:if\\s+not\\s+exists\\s+)?${prefix}${quoted(name)}\\s*\\(`, "i");
  return migrations.some(({ sql }) => statement.test(sql));
};
