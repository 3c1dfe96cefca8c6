/** Finds out what PostgreSQL's error about a value means for the members of a request. */
import type { PostgresError } from "postgres";
import type { ChildDeclaration, EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Fields } from "../contracts/entity/field.ts";
import { quotedTable, type Table } from "../contracts/entity/table.ts";
import { isRejected } from "../platform/postgres/errors.ts";
import type { Source } from "./source.ts";
import { execute } from "./statements/execute.ts";
import refusedValuesSql from "./statements/refused-values.sql" with { type: "text" };
import violatedConstraintSql from "./statements/violated-constraint.sql" with { type: "text" };

/** The table and the columns that an error is about. */
export interface Violation {
  readonly table: Table;
  readonly columns: readonly string[];
}

/** SQLSTATEs of a value that its type does not accept. A domain's check has the code of every check. */
const VALUE_CODES = /^(22|23514$)/;

/** How long the columns of a constraint are remembered, in milliseconds: an owner may replace a constraint. */
const REMEMBERED_MS = 60_000;
/** Constraints that are remembered. */
const MAX_REMEMBERED = 1_000;

/** Finds out what an error of a write to one entity is about. */
export class ViolationFinder {
  private readonly constraints = new Map<
    string,
    { readonly atMs: number; readonly violation: Violation | undefined }
  >();

  constructor(
    private readonly source: Pick<Source, "query">,
    private readonly entity: Pick<EntityDeclaration, "table">,
  ) {}

  /**
   * Asks the database for the constraint's columns, or for the values that their types do not accept.
   *
   * @param row values of the write by column.
   * @returns undefined when the error names nothing, or the database does not answer.
   */
  async find(error: unknown, row: Readonly<Record<string, unknown>>): Promise<Violation | undefined> {
    if (!isRejected(error)) return undefined;
    const { code = "", schema_name, table_name, column_name, constraint_name } = error as Partial<PostgresError>;
    if (schema_name && table_name && column_name)
      return { table: { schema: schema_name, name: table_name }, columns: [column_name] };
    try {
      if (schema_name && table_name && constraint_name)
        return await this.constraint([schema_name, table_name, constraint_name]);
      return VALUE_CODES.test(code) ? await this.refusedValues(row) : undefined;
    } catch {
      return undefined; // the write's own error is what its client needs to know
    }
  }

  private async constraint(names: readonly string[]): Promise<Violation | undefined> {
    const key = JSON.stringify(names);
    const known = this.constraints.get(key);
    if (known && performance.now() - known.atMs < REMEMBERED_MS) return known.violation;
    const [found] = await execute<Table & { columns: readonly string[] }>(this.source, violatedConstraintSql, names);
    const violation = found && {
      table: { schema: found.schema ?? "public", name: found.name },
      columns: found.columns,
    };
    if (this.constraints.size >= MAX_REMEMBERED) this.constraints.clear();
    this.constraints.set(key, { atMs: performance.now(), violation });
    return violation;
  }

  private async refusedValues(row: Readonly<Record<string, unknown>>): Promise<Violation> {
    const { table } = this.entity;
    const parameters = [quotedTable(table), JSON.stringify(row)];
    const refused = await execute<{ name: string }>(this.source, refusedValuesSql, parameters);
    return { table, columns: refused.map(({ name }) => name) };
  }
}

/** True for the same table. A declaration without a schema means `public`. */
export const isSameTable = (left: Table, right: Table): boolean =>
  left.name === right.name && (left.schema ?? "public") === (right.schema ?? "public");

/** The members that have these columns. */
export const membersOf = (fields: Fields, columns: readonly string[]): string[] =>
  columns.flatMap((column) => Object.keys(fields).find((member) => fields[member]!.column === column) ?? []);

/** The child whose table this is, and the member of its lists. */
export const childOf = (
  { children }: Pick<EntityDeclaration, "children">,
  table: Table,
): readonly [member: string, child: ChildDeclaration] | undefined =>
  Object.entries(children).find(([, child]) => isSameTable(child.table, table));
