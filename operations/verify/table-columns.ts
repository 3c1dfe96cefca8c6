/** The columns of a table as its database has them. Everything that a verification reads follows from their types. */
import tableColumns from "./table-columns.sql" with { type: "text" };

/** One column. `table-columns.sql` explains the members. */
export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly cast_to: string;
  readonly family: string;
  readonly operators: string | null;
  readonly is_enum: boolean;
  readonly collation: string | null;
  readonly form: "plain" | "array" | "text";
}

/** Columns by name; empty when the table does not exist. */
export type TableColumns = ReadonlyMap<string, TableColumn>;

/** Reads the columns of a table. @param query runs one statement. @param table as SQL. */
export async function readTableColumns(
  query: (text: string, parameters: readonly string[]) => Promise<readonly TableColumn[]>,
  table: string,
): Promise<TableColumns> {
  const rows = await query(tableColumns, [table]);
  return new Map(rows.map((row) => [row.name, row]));
}
