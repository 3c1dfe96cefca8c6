/** Parses documents and rows without a loss of digits, and as fast as `JSON.parse` where no digit can be lost. Pure. */
import type { Shape } from "./declaration.ts";
import type { Document } from "./document.ts";
import { parseExact, parseLongNumbers, toPlainNumbers } from "./exact-json.ts";
import type { Field } from "./field.ts";
import type { Row } from "./row.ts";

/** True for a field with nested JSON: its numbers are numbers in documents. All other exact numbers are texts there. */
const hasRawNumbers = ({ kind, elementKind }: Field): boolean => kind === "jsonb" || elementKind === "jsonb";

/** True for a field whose row has numbers with trailing zeros that count. */
const hasExactNumbers = (field: Field): boolean =>
  hasRawNumbers(field) || ((field.kind === "numeric" || field.elementKind === "numeric") && field.scale === undefined);

interface Parsers {
  /** Some member has nested JSON. */
  readonly exactDocuments: boolean;
  readonly exactRows: boolean;
}

const parsersByFields = new WeakMap<Shape["fields"], Parsers>();

function parsersOf({ fields, children }: Shape): Parsers {
  let parsers = parsersByFields.get(fields);
  if (!parsers) {
    const all = [fields, ...Object.values(children).map((child) => child.fields)].flatMap((each) =>
      Object.values(each),
    );
    parsers = { exactDocuments: all.some(hasRawNumbers), exactRows: all.some(hasExactNumbers) };
    parsersByFields.set(fields, parsers);
  }
  return parsers;
}

/**
 * True when a row must be read by {@link parseRow} from its text: `to_jsonb(row)::text`. Otherwise any parser that
 * keeps numbers of 16 digits will do.
 */
export const needsExactRows = (shape: Shape): boolean => parsersOf(shape).exactRows;

/**
 * Parses the JSON text of a document: of an event, or of a request.
 *
 * @throws {SyntaxError} for a text that is not JSON.
 */
export function parseDocument(shape: Shape, text: string): unknown {
  if (!parsersOf(shape).exactDocuments) return JSON.parse(text);
  const parsed = parseExact(text);
  return isObject(parsed) ? withPlainNumbers(shape, parsed) : parsed;
}

/** Only nested JSON has exact numbers. A number of another member is checked by its schema as JavaScript has it. */
function withPlainNumbers({ fields, children }: Shape, document: Document): Document {
  for (const member in document) {
    const child = children[member];
    const field = fields[member];
    const value = document[member];
    if (child && Array.isArray(value))
      for (const line of value) {
        if (isObject(line)) withPlainNumbers({ fields: child.fields, children: {} }, line);
      }
    else if (!field || !hasRawNumbers(field)) document[member] = toPlainNumbers(value);
  }
  return document;
}

const isObject = (value: unknown): value is Document =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Parses the JSON text of a row, as PostgreSQL writes it. Numbers that JavaScript would change are raw numbers, which
 * the fields' `fromColumn` reads.
 *
 * @throws {SyntaxError} for a text that is not JSON.
 */
export const parseRow = (shape: Shape, text: string): Row =>
  (parsersOf(shape).exactRows ? parseExact(text) : parseLongNumbers(text)) as Row;
