/** Names of PostgreSQL's types, as `format_type` writes them. Pure. */

/** A type's name in its parts: `numeric(12,2)` is `numeric` with 12 and 2. */
export interface TypeName {
  /** Without modifiers and brackets: `timestamp with time zone`. */
  readonly name: string;
  readonly modifiers: readonly number[];
  /** Number of `[]` behind the name. PostgreSQL has one type for all of them. */
  readonly dimensions: number;
}

/** Names of SQL and of PostgreSQL's catalogue that `format_type` does not use. */
const ALIASES: Readonly<Record<string, string>> = {
  bigserial: "bigint",
  bool: "boolean",
  bpchar: "character",
  char: "character",
  dec: "numeric",
  decimal: "numeric",
  float4: "real",
  float8: "double precision",
  int: "integer",
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  serial: "integer",
  smallserial: "smallint",
  time: "time without time zone",
  timestamp: "timestamp without time zone",
  timestamptz: "timestamp with time zone",
  timetz: "time with time zone",
  varbit: "bit varying",
  varchar: "character varying",
};

/**
 * Reads a type as a person, Drizzle or PostgreSQL writes it: `varchar (20)`, `timestamp (3) with time zone`, `int4[]`.
 */
export function parseType(text: string): TypeName {
  const brackets = /(?:\s*\[\d*\])+$/.exec(text)?.[0] ?? "";
  const element = text.slice(0, text.length - brackets.length).trim();
  const dimensions = brackets.match(/\[/g)?.length ?? 0;
  if (element.includes('"')) return { name: element, modifiers: [], dimensions };
  const [, inParentheses] = /\(([-\d,\s]+)\)/.exec(element) ?? [];
  const words = element.replace(/\s*\([-\d,\s]+\)/, "").replace(/\s+/g, " ");
  const name = ALIASES[words.toLowerCase()] ?? words;
  const modifiers = inParentheses?.split(",").map(Number) ?? [];
  return { name, modifiers: name === "character" && modifiers.length === 0 ? [1] : modifiers, dimensions };
}

/** Writes a type as `format_type` does. */
export function formatType({ name, modifiers, dimensions }: TypeName): string {
  const inParentheses = modifiers.length === 0 ? "" : `(${modifiers.join(",")})`;
  const zone = / with(?:out)? time zone$/.exec(name)?.[0] ?? "";
  return `${name.slice(0, name.length - zone.length)}${inParentheses}${zone}${dimensions > 0 ? "[]" : ""}`;
}
