/** Column of a Drizzle table → field. */
import { is, SQL } from "drizzle-orm";
import { PgArray, type PgColumn } from "drizzle-orm/pg-core";
import type { z } from "zod";
import { domainOf } from "./columns.ts";
import type { Field, ValueForm } from "./field.ts";
import { arrayForm } from "./forms/array.ts";
import { formOfType } from "./forms/index.ts";
import { safeBigintForm } from "./forms/number.ts";
import { enumForm, otherForm } from "./forms/text.ts";
import { quickCheckOf } from "./quick-check.ts";
import { quotedName } from "./table.ts";
import { formatType, parseType } from "./type-name.ts";

/** What a declaration adds to a column. */
export interface FieldOptions {
  /** Name of the column. Default: Drizzle's. */
  readonly column?: string;
  readonly private?: boolean;
  readonly readOnly?: boolean;
  /** True for a member of the key, which is never null. */
  readonly isKey?: boolean;
  readonly rule?: ((schema: z.ZodType) => z.ZodType) | undefined;
  /** Replaces the schema of the type. */
  readonly schema?: z.ZodType | undefined;
}

/** Schemas of fields that a client cannot set. Descriptions of the API mark them. */
export const readOnlySchemas = new WeakSet<z.ZodType>();

/** Makes the field of a column. */
export function fieldOf(column: PgColumn, options: FieldOptions = {}): Field {
  const form = formOf(column);
  const generated = column.generated !== undefined;
  const readOnly = options.readOnly || generated || column.generatedIdentity?.type === "always";
  const schema = schemaOf(column, form, options, readOnly);
  const initial = initialOf(column, form);
  const domain = domainOf(column);
  const type = typeOf(column);
  return {
    column: options.column ?? column.name,
    type: domain ?? type,
    ...(domain === undefined ? {} : { baseType: type }),
    kind: form.kind,
    ...(form.element ? { elementKind: form.element.kind } : {}),
    nullable: isNullable(column, options),
    private: options.private ?? false,
    readOnly,
    generated,
    hasDatabaseDefault: hasDatabaseDefault(column),
    ...(initial === undefined ? {} : { initial }),
    schema,
    quickCheck: quickCheckOf(schema),
    fromColumn: (value) => (value === null || value === undefined ? null : form.fromColumn(value)),
    ...(form.scale === undefined ? {} : { scale: form.scale }),
  };
}

const isNullable = (column: PgColumn, { isKey }: FieldOptions): boolean => !column.notNull && !column.primary && !isKey;

function schemaOf(column: PgColumn, form: ValueForm, options: FieldOptions, readOnly: boolean): z.ZodType {
  const { rule, schema } = options;
  const ruled = schema ?? (rule ? rule(form.ruleSchema ?? form.schema) : form.schema);
  const complete = schema ? ruled : (form.complete?.(ruled) ?? ruled);
  const whole = isNullable(column, options) ? complete.nullable() : complete;
  if (!readOnly) return whole;
  const own = whole.clone(); // the schema of a type is shared by all its columns
  readOnlySchemas.add(own);
  return own;
}

/** The type of a column, as `format_type` writes it. */
function typeOf(column: PgColumn): string {
  if (is(column, PgArray)) return `${typeOf(elementOf(column)).replace(/\[\]$/, "")}[]`;
  const domain = domainOf(column);
  if (domain !== undefined) return formatType(parseType(column.getSQLType()));
  const { enum: declared } = column as { enum?: { readonly schema?: string | undefined } };
  if (!declared) return formatType(parseType(column.getSQLType()));
  const name = quotedUnlessPlain(column.getSQLType());
  return declared.schema === undefined ? name : `${quotedUnlessPlain(declared.schema)}.${name}`;
}

const quotedUnlessPlain = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : quotedName(name));

const elementOf = (column: PgColumn): PgColumn => (column as unknown as { readonly baseColumn: PgColumn }).baseColumn;

/** Kinds whose values in documents are no texts. */
const NOT_TEXT = new Set(["number", "bigint", "float", "boolean", "jsonb", "array"]);

function formOf(column: PgColumn): ValueForm {
  if (is(column, PgArray)) {
    let [element, dimensions] = [elementOf(column), 1];
    while (is(element, PgArray)) [element, dimensions] = [elementOf(element), dimensions + 1];
    return arrayForm(formOf(element), dimensions);
  }
  const values = column.enumValues as readonly string[] | undefined;
  if (values && values.length > 0) return enumForm(values as readonly [string, ...string[]]);
  if (column.columnType === "PgBigInt53" || column.columnType === "PgBigSerial53") return safeBigintForm;
  const type = parseType(column.getSQLType());
  const form = type.dimensions > 0 ? otherForm : formOfType(type);
  // A type that was named by its text has a text in the declaration's document type too.
  return column.columnType === "PgCustomColumn" && NOT_TEXT.has(form.kind) ? otherForm : form;
}

/** True for a default that PostgreSQL computes. */
export const hasDatabaseDefault = (column: PgColumn): boolean =>
  column.generatedIdentity !== undefined || is(column.default, SQL) || /Serial/.test(column.columnType);

/** The constant default of a column, as a document has it. */
function initialOf(column: PgColumn, form: ValueForm): unknown {
  const value: unknown = column.default;
  if (value === undefined || value === null || is(value, SQL)) return undefined;
  return form.fromColumn(plainValue(value, form));
}

/** Drizzle's value of a default → what `to_jsonb` would return. */
function plainValue(value: unknown, { kind, element }: ValueForm): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Date) return value.toISOString().slice(0, kind === "date" ? 10 : 24);
  if (kind === "timestamp" && typeof value === "string") return value.replace(/Z$/, "");
  return element && Array.isArray(value) ? value.map((item) => plainValue(item, element)) : value;
}
