/**
 * The SQL by which source and replica render what a verification compares. It follows from the types that the columns
 * have in both databases. Capture and apply have SQL of their own, which this one checks.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import { UserError } from "../../contracts/errors.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { jsonOfChildren, textOfChildren } from "./child-sql.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import { type DeclaredTable, inSchema, replicaTable, sourceTable, unchangedMembers } from "./declared-table.ts";
import { hasId, idOf, type KeyColumns } from "./key-sql.ts";
import { queryReplica, ReplicaUnreadableError } from "./query-replica.ts";
import { readTableColumns, type TableColumn, type TableColumns } from "./table-columns.ts";
import { type ColumnPair, hashedOf, jsonOf, type PairExpressions, textsOf } from "./value-sql.ts";

/** Alias of a row in all expressions. `lockstep.describe` of the source uses the same. */
export const ROW = "lockstep_row";

/** SQL that identifies the rows of one table, under the alias {@link ROW}. */
export interface TableKey {
  /** The table. */
  readonly from: string;
  readonly key: KeyColumns;
  /** The canonical id. */
  readonly id: string;
  /** A condition that finds the row of the id `requested.id`. */
  readonly isRequested: string;
}

/** SQL about the rows of one table, under the alias {@link ROW}. */
export interface TableExpressions extends TableKey {
  /** The version in the row; null: the table has none. */
  readonly version: string | null;
  /** A bigint: the hash of the compared values without the version. */
  readonly hash: string;
  /** The compared texts as a JSON list, in the order of {@link ComparedColumns.members}. */
  readonly texts: string;
  /** The row with its children as JSON, for filters and computed members. */
  readonly document: string;
}

/** The source's table, with what its capture knows. */
export interface SourceExpressions extends TableExpressions {
  readonly version: string;
  /** Digest of the whole row. Capture computes the same, and replicas record it. */
  readonly wholeDigest: string;
}

/** What is compared by text, and how each side makes it. */
export interface ComparedColumns {
  /** The members that the replica takes from the source unchanged: fields, then lists of children. */
  readonly members: readonly string[];
  readonly source: SourceExpressions;
  readonly replica: TableExpressions;
}

/** The source's table of an entity cannot be compared with any replica. */
export class SourceUnreadableError extends UserError {
  constructor(problem: string) {
    super(problem, "SOURCE_UNREADABLE");
  }
}

/** The columns of a table and of the tables of its children, by member. */
interface ActualTable {
  readonly declared: DeclaredTable;
  readonly columns: TableColumns;
  readonly children: ReadonlyMap<string, TableColumns>;
}

const cache = new WeakMap<ReplicaTables, Promise<ComparedColumns>>();

/**
 * Reads the columns of both tables, once for each `tables`.
 *
 * @throws {ReplicaUnreadableError} when the replica's table or a column of it is missing.
 * @throws {SourceUnreadableError} when the source lacks the table or a column, or does not capture the entity.
 * @throws {Error} when a database is unavailable.
 */
export function comparedColumns(source: Sql, tables: ReplicaTables): Promise<ComparedColumns> {
  let columns = cache.get(tables);
  if (!columns) {
    columns = readColumns(source, tables);
    cache.set(tables, columns);
  }
  return columns;
}

/** The key of the entity's table in the source. @throws as {@link comparedColumns} does for the source. */
export const sourceKey = async (source: Sql, entity: EntityDeclaration): Promise<TableKey> =>
  keyOf(await readSourceTable(source, entity));

/** The key of the entity's table in a replica. @throws {ReplicaUnreadableError} */
export const replicaKey = async (tables: ReplicaTables): Promise<TableKey> => keyOf(await readReplicaTable(tables));

async function readReplicaTable(tables: ReplicaTables): Promise<ActualTable> {
  const { replica, schema } = tables;
  const declared = inSchema(replicaTable(replica), schema);
  const table = await readTable(declared, (text, parameters) => queryReplica<TableColumn>(tables, text, parameters));
  const problem = problemOf(table);
  if (problem !== undefined) throw new ReplicaUnreadableError(replica.name, problem);
  return table;
}

async function readSourceTable(source: Sql, entity: EntityDeclaration): Promise<ActualTable> {
  const table = await readTable(sourceTable(entity), (text, parameters) =>
    source.unsafe<TableColumn[]>(text, [...parameters], { prepare: true }),
  );
  const problem = problemOf(table);
  if (problem !== undefined) throw new SourceUnreadableError(`in the source, ${problem}`);
  return table;
}

async function readColumns(source: Sql, tables: ReplicaTables): Promise<ComparedColumns> {
  const { entity, replica } = tables;
  const inSource = await readSourceTable(source, entity);
  const inReplica = await readReplicaTable(tables);
  const captured = await readCaptured(source, entity.name);
  const fields = unchangedMembers(entity, replica);
  const children = [...inReplica.children.keys()];
  const pairs = fields.map((member) => pairOf(inSource, inReplica, member));
  const expressionsOf = (side: keyof PairExpressions, table: ActualTable) =>
    tableExpressions(table, {
      texts: [
        ...pairs.map((pair) => textsOf(pair, ROW)[side]),
        ...children.map((member) => childText(inSource, inReplica, member)[side]),
      ],
      hashed: [
        ...pairs.map((pair) => hashedOf(pair, ROW)[side]),
        ...children.map((member) => childText(inSource, inReplica, member)[side]),
      ],
    });
  return {
    members: [...fields, ...children],
    source: { ...expressionsOf("source", inSource), ...captured },
    replica: expressionsOf("replica", inReplica),
  };
}

async function readTable(declared: DeclaredTable, query: Parameters<typeof readTableColumns>[0]): Promise<ActualTable> {
  const [columns, ...ofChildren] = await Promise.all(
    [declared.table, ...declared.children.map(({ table }) => table)].map((table) =>
      readTableColumns(query, quotedTable(table)),
    ),
  );
  const children = new Map(declared.children.map(({ member }, i) => [member, ofChildren[i]!]));
  return { declared, columns: columns!, children };
}

/** What the table lacks; undefined when it has everything that is declared. */
function problemOf({ declared, columns, children }: ActualTable): string | undefined {
  const all = [
    {
      ...declared,
      columns: declared.columns,
      actual: columns,
      needed: [...declared.key, ...(declared.version === undefined ? [] : [declared.version])],
    },
    ...declared.children.map((child) => ({
      ...child,
      actual: children.get(child.member)!,
      needed: [...child.parentKey, ...child.key],
    })),
  ];
  for (const { table, columns: declaredColumns, actual, needed } of all) {
    const name = quotedTable(table).replaceAll('"', "");
    if (actual.size === 0) return `the table ${name} is missing`;
    const names = [...needed, ...[...declaredColumns.values()].map((c) => c.column)];
    const missing = [...new Set(names)].filter((column) => !actual.has(column));
    if (missing.length > 0) return `the table ${name} has no column ${missing.join(", ")}`;
  }
  return undefined;
}

/** How the source's capture makes versions and digests. @throws {UserError} when it does not capture the entity. */
async function readCaptured(source: Sql, entity: string): Promise<Pick<SourceExpressions, "version" | "wholeDigest">> {
  const [row] = await source<{ version_text: string; data_text: string }[]>`
    select version_text, data_text from lockstep.describe(${entity})`;
  if (!row) throw new SourceUnreadableError(`the source does not capture ${entity}: run lockstep capture`);
  return { version: row.version_text, wholeDigest: `hashtextextended((${row.data_text})::text, 0)` };
}

function pairOf(source: ActualTable, replica: ActualTable, member: string): ColumnPair {
  const from = source.declared.columns.get(member)!;
  const to = replica.declared.columns.get(member)!;
  return {
    source: source.columns.get(from.column)!,
    replica: replica.columns.get(to.column)!,
    inMilliseconds: from.inMilliseconds,
    hasScale: from.hasScale,
  };
}

function childText(source: ActualTable, replica: ActualTable, member: string): PairExpressions {
  const sides = [source, replica].map(({ declared, children }) => ({
    parentKey: declared.key,
    declared: declared.children.find((child) => child.member === member)!,
    columns: children.get(member)!,
  }));
  return textOfChildren(sides[0]!, sides[1]!, ROW);
}

function keyOf({ declared, columns }: Pick<ActualTable, "declared" | "columns">): TableKey {
  const key = declared.key.map((column) => columns.get(column)!);
  const from = `${quotedTable(declared.table)} as ${ROW}`;
  return { from, key, id: idOf(key, ROW), isRequested: hasId(key, ROW, "requested.id") };
}

function tableExpressions(
  { declared, columns, children }: ActualTable,
  { texts, hashed }: { readonly texts: readonly string[]; readonly hashed: readonly string[] },
): TableExpressions {
  const members = [...declared.columns.values()].map(
    ({ column, isNullable }) => `${jsonOf(columns.get(column)!, isNullable, ROW)} as ${quotedTable({ name: column })}`,
  );
  const ofChildren = declared.children.map(
    (child) =>
      `${jsonOfChildren({ parentKey: declared.key, declared: child, columns: children.get(child.member)! }, ROW)} as ${quotedTable({ name: child.member })}`,
  );
  return {
    ...keyOf({ declared, columns }),
    version: declared.version === undefined ? null : `${ROW}.${quotedTable({ name: declared.version })}`,
    hash: `hashtextextended(row(${hashed.join(", ")})::text collate "C", 0)`,
    texts: `array_to_json(array[${texts.join(", ")}]::text[])`,
    document: `(select to_jsonb(d)::text from (select ${[...members, ...ofChildren].join(", ")}) as d)`,
  };
}
