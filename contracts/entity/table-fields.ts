/** What a declaration reads from a Drizzle table: fields, key and constraints. */
import { getTableColumns } from "drizzle-orm";
import { getTableConfig, type PgColumn, type PgTable } from "drizzle-orm/pg-core";
import { z } from "zod";
import { fieldOf, hasDatabaseDefault } from "./column-field.ts";
import type { ConstraintDeclaration } from "./declaration.ts";
import type { Fields } from "./field.ts";
import { lockstepTimeSchema } from "./forms/date-time.ts";
import type { Table } from "./table.ts";

type OwnMembers = {
  readonly version?: string | undefined;
  readonly createdAt?: string | undefined;
  readonly updatedAt?: string | undefined;
};

/** What the options of a declaration say about its fields. */
interface FieldsOptions {
  /** Begins the errors: `entity product`. */
  readonly where: string;
  readonly key: readonly string[];
  readonly own: OwnMembers;
  readonly readOnly?: readonly string[];
  readonly private?: readonly string[] | undefined;
  readonly rules?: object | undefined;
  readonly casing?: "snake_case" | undefined;
}

/** Drizzle's tables by the names that {@link tableOf} has made of them. */
const tables = new WeakMap<Table, PgTable>();

/** The table's name in PostgreSQL. */
export const tableOf = (table: PgTable): Table => {
  const { name, schema } = getTableConfig(table);
  const named = schema === undefined ? { name } : { schema, name };
  tables.set(named, table);
  return named;
};

/**
 * The table that a declaration was made from: it has what no run-time code needs, as defaults and indexes.
 *
 * @param table of an entity or of a child, the same object. Undefined: it was made in another way.
 */
export const drizzleTableOf = (table: Table): PgTable | undefined => tables.get(table);

/**
 * The fields of a table, in the order of its declaration.
 *
 * @throws {Error} for a rule of a member that the table does not have.
 */
export function fieldsOf(table: PgTable, options: FieldsOptions): Fields {
  const columns = getTableColumns(table) as Record<string, PgColumn>;
  const rules = (options.rules ?? {}) as Readonly<Record<string, ((schema: z.ZodType) => z.ZodType) | undefined>>;
  for (const member of Object.keys(rules))
    if (!Object.hasOwn(columns, member))
      throw new Error(`${options.where}: the rule of ${member} belongs to no column`);
  return Object.fromEntries(
    Object.entries(columns).map(([member, column]) => {
      const schema = ownSchema(member, options.own);
      const isKey = options.key.includes(member);
      const isOwn = schema !== undefined || (options.readOnly?.includes(member) ?? false);
      const field = fieldOf(column, {
        column: options.casing && column.keyAsName ? toSnakeCase(column.name) : column.name,
        private: options.private?.includes(member) ?? false,
        isKey,
        // Clients cannot choose a key that the database makes.
        readOnly: isOwn || (isKey && hasDatabaseDefault(column)),
        rule: rules[member],
        schema,
      });
      return [member, field];
    }),
  );
}

/** Schema of a member that Lockstep sets. */
function ownSchema(member: string, { version, createdAt, updatedAt }: OwnMembers): z.ZodType | undefined {
  if (member === version) return z.int().min(1);
  return member === createdAt || member === updatedAt ? lockstepTimeSchema : undefined;
}

const toSnakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Members of the primary key, in its order. Empty: the table declares none. */
export function primaryKeyOf(table: PgTable): string[] {
  const { primaryKeys } = getTableConfig(table);
  const [composite] = primaryKeys;
  if (composite) return membersOf(table, composite.columns);
  const columns = Object.entries(getTableColumns(table) as Record<string, PgColumn>);
  return columns.filter(([, { primary }]) => primary).map(([member]) => member);
}

/** The unique constraints and foreign keys of a table, by name. */
export function constraintsOf(table: PgTable): Record<string, ConstraintDeclaration> {
  const { name, columns, uniqueConstraints, foreignKeys } = getTableConfig(table);
  const found: Record<string, ConstraintDeclaration> = {};
  for (const column of columns)
    if (column.isUnique) {
      const unique: ConstraintDeclaration = { kind: "unique", members: membersOf(table, [column]) };
      // Drizzle and PostgreSQL name it differently when the declaration does not.
      for (const constraint of [column.uniqueName!, `${name}_${column.name}_key`]) found[constraint] = unique;
    }
  for (const constraint of uniqueConstraints) {
    const members = membersOf(table, constraint.columns);
    const names = [constraint.getName(), `${name}_${constraint.columns.map((column) => column.name).join("_")}_key`];
    for (const each of names) if (each !== undefined) found[each] = { kind: "unique", members };
  }
  for (const foreignKey of foreignKeys) {
    const members = membersOf(table, foreignKey.reference().columns);
    const names = [
      foreignKey.getName(),
      `${name}_${foreignKey
        .reference()
        .columns.map((column) => column.name)
        .join("_")}_fkey`,
    ];
    for (const each of names) found[each] = { kind: "reference", members };
  }
  return found;
}

function membersOf(table: PgTable, columns: readonly PgColumn[]): string[] {
  const members = new Map(Object.entries(getTableColumns(table)).map(([member, column]) => [column.name, member]));
  return columns.map((column) => members.get(column.name)!);
}
