/**
 * Compares a table in a source with the one in a replica, by PostgreSQL's texts of all columns. It streams both in the
 * order of the key, so a table of any size needs little memory. Nothing here uses the product's own code.
 */
import postgres, { type Sql } from "postgres";
import { TEXT_SETTINGS } from "./values/values.ts";

export interface ComparedTable {
  /** Quoted name with its schema. */
  readonly source: string;
  /** Default: the same name. */
  readonly replica?: string;
  /** Columns of the key. */
  readonly key: readonly string[];
  /** Columns to compare. Default: all columns that the replica has. */
  readonly columns?: readonly string[];
  /** SQL condition for the source's rows that belong to the replica. */
  readonly where?: string;
}

export interface Difference {
  /** Texts of the key's columns. */
  readonly key: readonly string[];
  readonly kind: "missing in replica" | "only in replica" | "different";
  /** The columns that differ, when both have the row. */
  readonly columns?: Readonly<Record<string, { readonly source: string | null; readonly replica: string | null }>>;
}

export interface Comparison {
  /** Rows that belong to the replica. */
  readonly sourceRows: number;
  readonly replicaRows: number;
  /** All differences. 0: the tables are equal. */
  readonly count: number;
  /** The first differences, in the order of the key's text. */
  readonly differences: readonly Difference[];
}

const FETCH_ROWS = 2_000;

/**
 * Compares one table while nobody writes to it.
 *
 * @param maxDifferences how many differences to keep. All are counted.
 */
export async function compareTable(
  sourceUrl: string,
  replicaUrl: string,
  table: ComparedTable,
  maxDifferences = 100,
): Promise<Comparison> {
  await using source = connect(sourceUrl);
  await using replica = connect(replicaUrl);
  const columns = table.columns ?? (await columnNames(replica.sql, table.replica ?? table.source));
  const rows = streamRows(source.sql, table.source, table.key, columns, table.where);
  const others = streamRows(replica.sql, table.replica ?? table.source, table.key, columns);
  const differences: Difference[] = [];
  let count = 0;
  const add = (make: () => Difference): void => {
    count++;
    if (differences.length < maxDifferences) differences.push(make());
  };
  let [row, other] = [await next(rows), await next(others)];
  let [sourceRows, replicaRows] = [0, 0];
  while (row || other) {
    const order = compareKeys(row?.key, other?.key);
    if (order < 0) add(() => ({ key: JSON.parse(row!.key), kind: "missing in replica" }));
    else if (order > 0) add(() => ({ key: JSON.parse(other!.key), kind: "only in replica" }));
    else if (row!.values !== other!.values) add(() => differenceOf(columns, row!, other!));
    if (order <= 0) [row, sourceRows] = [await next(rows), sourceRows + 1];
    if (order >= 0) [other, replicaRows] = [await next(others), replicaRows + 1];
  }
  return { sourceRows, replicaRows, count, differences };
}

function connect(url: string): { readonly sql: Sql } & AsyncDisposable {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection: { ...TEXT_SETTINGS, lc_monetary: "C" } });
  return { sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 5 }) };
}

const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Names of a table's columns, in their order. */
export async function columnNames(sql: Sql, table: string): Promise<readonly string[]> {
  const rows = await sql<{ name: string }[]>`
    select attname as name from pg_attribute
    where attrelid = ${table}::text::regclass and attnum > 0 and not attisdropped order by attnum`;
  return rows.map(({ name }) => name);
}

/** A row as two JSON arrays of texts. */
interface TextRow {
  readonly key: string;
  readonly values: string;
}

async function* streamRows(
  sql: Sql,
  table: string,
  key: readonly string[],
  columns: readonly string[],
  where = "true",
): AsyncGenerator<TextRow> {
  const texts = (names: readonly string[]) =>
    `array_to_json(array[${names.map((name) => `t.${quoteName(name)}::text`).join(", ")}]::text[])::text`;
  const query = `select ${texts(key)} as key, ${texts(columns)} as values from ${table} as t where ${where}
    order by ${texts(key)} collate "C"`;
  for await (const rows of sql.unsafe<TextRow[]>(query).cursor(FETCH_ROWS)) yield* rows as TextRow[];
}

async function next(rows: AsyncGenerator<TextRow>): Promise<TextRow | undefined> {
  const { value, done } = await rows.next();
  return done ? undefined : value;
}

/** The order of the collation "C": by bytes. A side that has ended comes last. */
function compareKeys(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function differenceOf(columns: readonly string[], row: TextRow, other: TextRow): Difference {
  const [source, replica] = [
    JSON.parse(row.values) as (string | null)[],
    JSON.parse(other.values) as (string | null)[],
  ];
  const different = columns.flatMap((name, i) =>
    source[i] === replica[i] ? [] : [[name, { source: source[i]!, replica: replica[i]! }] as const],
  );
  return { key: JSON.parse(row.key), kind: "different", columns: Object.fromEntries(different) };
}
