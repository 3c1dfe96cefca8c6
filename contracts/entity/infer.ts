/** The TypeScript types of documents, computed from the columns of a Drizzle table. Types only. */
import type { PgTable } from "drizzle-orm/pg-core";
import type { z } from "zod";
import type { NumericSchema } from "./forms/numeric.ts";

/** A value of JSON. A number that JavaScript would change is a `JSON.rawJSON` object. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue };

/** A float. JSON has no spelling for four of its values, so they are texts. */
export type Float = number | "NaN" | "Infinity" | "-Infinity" | "-0";

/** What is read of the type of a column, or of a column's builder. */
interface ColumnType {
  readonly columnType: string;
  readonly data: unknown;
}

type NumberColumn = "PgInteger" | "PgSmallInt" | "PgSerial" | "PgSmallSerial" | "PgBigInt53" | "PgBigSerial53";
type LargeNumberColumn = "PgBigInt64" | "PgBigSerial64";
type FloatColumn = "PgReal" | "PgDoublePrecision";
type NumericColumn = "PgNumeric" | "PgNumericNumber" | "PgNumericBigInt";

/** The value of a member that is not null. A type without a form of its own is PostgreSQL's text. */
type NotNull<C extends ColumnType> = C["columnType"] extends NumberColumn
  ? number
  : C["columnType"] extends LargeNumberColumn
    ? number | string
    : C["columnType"] extends FloatColumn
      ? Float
      : C["columnType"] extends "PgBoolean"
        ? boolean
        : C["columnType"] extends "PgJsonb"
          ? unknown extends C["data"]
            ? JsonValue
            : C["data"]
          : C["columnType"] extends "PgArray"
            ? readonly (NotNull<Element<C>> | null)[]
            : C["data"] extends string
              ? C["data"]
              : string;

/** The element of an array's column. */
type Element<C> = C extends { readonly baseBuilder: { readonly _: infer Base extends ColumnType } }
  ? Base
  : C extends { readonly baseBuilder: infer Base extends ColumnType }
    ? Base
    : never;

/** The zod schema that a rule gets and extends. */
type RuleSchema<C extends ColumnType> = C["columnType"] extends NumberColumn
  ? z.ZodNumber
  : C["columnType"] extends NumericColumn
    ? NumericSchema
    : C["columnType"] extends LargeNumberColumn | FloatColumn | "PgJsonb"
      ? z.ZodType<NotNull<C>>
      : C["columnType"] extends "PgBoolean"
        ? z.ZodBoolean
        : C["columnType"] extends "PgArray"
          ? z.ZodArray<z.ZodNullable<RuleSchema<Element<C>>>>
          : z.ZodString;

type Columns<T extends PgTable> = T["_"]["columns"];
type ColumnOf<T extends PgTable, M extends keyof Columns<T>> = Columns<T>[M]["_"];

/** Names of a table's members: the keys of its declaration. */
export type MemberName<T extends PgTable> = keyof Columns<T> & string;

/** The document of a row: a member for each column. */
export type RowDocument<T extends PgTable> = {
  readonly [M in MemberName<T>]: ColumnOf<T, M>["notNull"] extends true
    ? NotNull<ColumnOf<T, M>>
    : NotNull<ColumnOf<T, M>> | null;
};

/** Rules of a table's members. A rule gets the schema of the column's type and returns a stricter one. */
export type Rules<T extends PgTable> = {
  readonly [M in MemberName<T>]?: (schema: RuleSchema<ColumnOf<T, M>>) => z.ZodType;
};

/** Members that a client may leave out: with a default, or null. */
type Optional<T extends PgTable> = {
  [M in MemberName<T>]: ColumnOf<T, M>["hasDefault"] extends true
    ? M
    : ColumnOf<T, M>["notNull"] extends true
      ? never
      : M;
}[MemberName<T>];

/** Members that a client cannot set: generated columns, and identities that PostgreSQL always sets. */
type ReadOnly<T extends PgTable> = {
  [M in MemberName<T>]: ColumnOf<T, M> extends { readonly identity: "always" } | { readonly generated: object }
    ? M
    : never;
}[MemberName<T>];

/** What a client sends to create an entity. @typeParam Own the members that Lockstep sets. */
export type InputDocument<T extends PgTable, Own extends string> = Readonly<
  Pick<RowDocument<T>, Exclude<MemberName<T>, Optional<T> | ReadOnly<T> | Own>> &
    Partial<Pick<RowDocument<T>, Exclude<Optional<T>, ReadOnly<T> | Own>>>
>;

/** The member of a primary key of one column. Drizzle's types do not show keys of more columns. */
export type PrimaryKey<T extends PgTable> = {
  [M in MemberName<T>]: ColumnOf<T, M> extends { readonly isPrimaryKey: true } ? M : never;
}[MemberName<T>];

/** Shows a computed type as one object. */
export type Flat<T> = { readonly [K in keyof T]: T[K] } & {};
