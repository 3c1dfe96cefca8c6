/** The form of each type of PostgreSQL in documents. A type that is not listed is a text: PostgreSQL's own. */
import type { ValueForm } from "../field.ts";
import type { TypeName } from "../type-name.ts";
import { dateForm, timeForm, timestampForm, timestamptzForm } from "./date-time.ts";
import { jsonbForm, jsonForm } from "./json.ts";
import { bigintForm, booleanForm, floatForm, integerForm } from "./number.ts";
import { numericForm } from "./numeric.ts";
import { byteaForm, otherForm, textForm, uuidForm } from "./text.ts";

type FormOf = (modifiers: readonly number[]) => ValueForm;

/** Largest amount of a `real`, as PostgreSQL prints it. */
const MAX_REAL = 3.4028235e38;

const forms: Readonly<Record<string, FormOf>> = {
  bigint: () => bigintForm,
  boolean: () => booleanForm,
  bytea: () => byteaForm,
  character: ([length]) => textForm({ length, padded: true }),
  "character varying": ([length]) => textForm({ length }),
  citext: () => textForm(),
  date: () => dateForm,
  "double precision": () => floatForm(Number.MAX_VALUE),
  integer: () => integerForm(32),
  json: () => jsonForm,
  jsonb: () => jsonbForm,
  numeric: ([precision, scale = 0]) => (precision === undefined ? numericForm() : numericForm({ precision, scale })),
  real: () => floatForm(MAX_REAL),
  smallint: () => integerForm(16),
  text: () => textForm(),
  "time with time zone": () => timeForm(true),
  "time without time zone": () => timeForm(false),
  "timestamp with time zone": ([precision]) => timestamptzForm(precision),
  "timestamp without time zone": () => timestampForm,
  uuid: () => uuidForm,
};

/** The form of a type without its brackets. */
export const formOfType = ({ name, modifiers }: TypeName): ValueForm =>
  forms[name.replace(/^.*\.(?=citext$)/, "")]?.(modifiers) ?? otherForm;
