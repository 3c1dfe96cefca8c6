/** What a writer of the workload does at a time, and helpers to write it as SQL. */
import type { Random } from "../../../chaos/random.ts";

/** COPY of rows in PostgreSQL's text format. */
export interface CopyStatement {
  /** What follows COPY, without FROM STDIN. */
  readonly copy: string;
  readonly rows: string;
}
export type Statement = string | CopyStatement;

/** Greatest values of keys when the workload begins, by a name of its own for each. */
export type KeyBounds = Readonly<Record<string, number>>;

/** One statement, or several in one transaction. */
export interface Operation {
  readonly name: string;
  /** How often it is chosen, compared with the others. */
  readonly weight: number;
  /** Ends with `rollback` instead of `commit` when its last statement is `rollback`. */
  readonly statements: (random: Random, bounds: KeyBounds) => readonly Statement[];
}

/** A text as SQL literal. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The smallest key from a random one on, so that gaps do not matter. */
export function someKey(random: Random, table: string, column: string, max: number): string {
  return `(select ${column} from ${table} where ${column} >= ${random.int(1, Math.max(1, max))} order by 1 limit 1)`;
}

const TENANTS = 40;
/** Id of one of the tenants that the workload never deletes. */
export const someTenant = (random: Random): string => `md5('tenant ' || ${random.int(1, TENANTS)})::uuid`;

const PIECES = [
  "a",
  "B",
  "é",
  "漢",
  "😀",
  "'",
  '"',
  "\\",
  ",",
  "%",
  "%2C",
  " ",
  "\t",
  "\n",
  "{",
  "}",
  "$1",
  "null",
  "ß",
];
/** A text with the characters that mistakes in quoting and in encoding show. */
export function strangeText(random: Random, maxPieces = 8): string {
  return Array.from({ length: random.int(0, maxPieces) }, () => random.pick(PIECES)).join("");
}

/** A value in COPY's text format. */
export const copyValue = (value: string | number | null): string =>
  value === null
    ? "\\N"
    : String(value).replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n").replaceAll("\r", "\\r");

export const copyRows = (rows: readonly (readonly (string | number | null)[])[]): string =>
  rows.map((row) => `${row.map(copyValue).join("\t")}\n`).join("");

/** A number that hardly any other operation of the run takes. */
export const newNumber = (random: Random): number => random.int(1_000_000, 2_000_000_000);
