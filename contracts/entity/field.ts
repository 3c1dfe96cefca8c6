/** What every room knows about one member of a document: its column, its type, and how a value is checked and read. */
import type { z } from "zod";
import type { QuickCheck } from "./quick-check.ts";

/** How a value is represented in a document. */
export type FieldKind =
  | "number"
  | "bigint"
  | "numeric"
  | "float"
  | "boolean"
  | "text"
  | "enum"
  | "uuid"
  | "date"
  | "time"
  | "timestamp"
  | "timestamptz"
  | "bytea"
  | "json"
  | "jsonb"
  | "array"
  /** A type without a form of its own: PostgreSQL's text. */
  | "other";

/** The form of a type's values in documents. None of these functions sees null. */
export interface ValueForm {
  readonly kind: FieldKind;
  /** Schema of a value. */
  readonly schema: z.ZodType;
  /** Schema that a declaration's `rules` get. Default: `schema`. */
  readonly ruleSchema?: z.ZodType;
  /** Adds to the schema what holds for each value of the type, whatever a rule says. Default: nothing. */
  readonly complete?: (schema: z.ZodType) => z.ZodType;
  /** Converts a column's value to the value in a document ({@link Field.fromColumn}). */
  readonly fromColumn: (value: unknown) => unknown;
  /** Converts PostgreSQL's text of a value, where `fromColumn` would take it for a value. Default: `fromColumn`. */
  readonly fromText?: (text: string) => unknown;
  /** Number of decimals that each value has. */
  readonly scale?: number;
  /** Form of an array's elements. */
  readonly element?: ValueForm;
}

/** One member of a document, and its column. */
export interface Field {
  /** Name of the column. */
  readonly column: string;
  /** Name of the type as PostgreSQL's `format_type` returns it: `character varying(20)`, `numeric(12,2)`, `text[]`. */
  readonly type: string;
  /** For a domain: the name of the type that it restricts. */
  readonly baseType?: string;
  readonly kind: FieldKind;
  /** Kind of an array's elements. */
  readonly elementKind?: FieldKind;
  readonly nullable: boolean;
  /** True for a field that a replica gets only when its declaration names the field (P13). */
  readonly private: boolean;
  /** True for what the database or Lockstep sets, and a client of the gateway cannot. */
  readonly readOnly: boolean;
  /** True for a column that PostgreSQL computes (`generated always as (…)`). Nothing writes it in the source. */
  readonly generated: boolean;
  /**
   * True when the database has a default that is not a constant: an insert without the member leaves the column out.
   */
  readonly hasDatabaseDefault: boolean;
  /** Value of a new entity whose client did not send the field. */
  readonly initial?: unknown;
  /** Validates the value in a document, and accepts null in a nullable field. It converts nothing. */
  readonly schema: z.ZodType;
  /** Accepts most valid values without the schema. */
  readonly quickCheck: QuickCheck;
  /**
   * Converts a column's value to the value in a document. It reads both what PostgreSQL's `to_jsonb` returns and the
   * column's text, which capture sends for types that `to_jsonb` changes. Null stays null.
   */
  readonly fromColumn: (value: unknown) => unknown;
  /** Number of decimals of each value of `numeric(precision,scale)`. */
  readonly scale?: number;
}

/** Fields by the name of their member, in the order of the document. */
export type Fields = Readonly<Record<string, Field>>;
