/** Compares a dead letter's event with the declaration, field by field. Pure. */
import { z } from "zod";
import type { DocumentShape, EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Field } from "../../contracts/entity/field.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";
import { upcast } from "../../contracts/entity/upcast.ts";
import { header } from "../../contracts/event.ts";

/** One field of the event, or of the declaration. */
export interface FieldView {
  readonly field: string;
  /** The value as JSON. A private or undeclared value is hidden unless revealed. Null: the event has no such field. */
  readonly value: string | null;
  /** The declared type as JSON Schema. Null: the field is not declared. */
  readonly expected: string | null;
  /** Why the value is not valid. Null: it is valid. */
  readonly problem: string | null;
}

/** An event beside its declaration. */
export interface EventView {
  /** Why the fields cannot be read. Null: they can be read. */
  readonly unreadable: string | null;
  /** Empty when the event cannot be read. */
  readonly fields: readonly FieldView[];
}

/** The content of a dead letter, or of a change that is set aside. */
export interface Content {
  /** The whole detail, where the list has a shortened one. */
  readonly detail?: string;
  readonly stack: string;
  /** Headers of the original record, read as UTF-8. */
  readonly headers: Readonly<Record<string, string>>;
  readonly key: string | null;
  /** Size of the original value; null when it has none. */
  readonly bytes: number | null;
  readonly event: EventView;
  /** The original value, read as UTF-8; only with `reveal`. */
  readonly value?: string | null;
}

type Document = Record<string, unknown>;
type Headers = Readonly<Record<string, Buffer>>;

const HIDDEN = "(hidden; --reveal shows it)";

/**
 * Compares an event with its declaration. An event of an older schema version is upcast first, where that is possible.
 *
 * @param replica the replica whose projection the event is; undefined for an event of the source.
 * @param reveal shows private and undeclared values, too.
 */
export function viewEvent(
  entity: EntityDeclaration,
  replica: string | undefined,
  { value, headers }: { readonly value: Buffer | null; readonly headers: Headers },
  reveal: boolean,
): EventView {
  const parsed = parseDocument(value);
  if (typeof parsed === "string") return { unreadable: parsed, fields: [] };
  const noShape: DocumentShape = { key: [], fields: {}, children: {} };
  const declared = replica === undefined ? entity : (entity.replicas.find((r) => r.name === replica) ?? noShape);
  const document = replica === undefined ? upcastIfOlder(entity, parsed, headers) : parsed;
  const { fields } = declared;
  const problems = findProblems(declared, document);
  const names = new Set([...Object.keys(fields), ...Object.keys(document)]);
  const views = [...names].map((name) => {
    const field = fields[name];
    const isHidden = !reveal && (!field || field.private || entity.fields[name]?.private === true);
    const text = name in document ? JSON.stringify(document[name]) : null;
    return {
      field: name,
      value: text !== null && isHidden ? HIDDEN : text,
      expected: field ? expectedText(field) : null,
      problem: problems.get(name) ?? null,
    };
  });
  return { unreadable: null, fields: views };
}

/** @returns the document, or why there is none. */
function parseDocument(value: Buffer | null): Document | string {
  if (value === null) return "the event has no value: it is a delete";
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch {
    return `the value is not JSON in UTF-8 (${value.length} bytes)`;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return "the value is not a JSON object";
  return parsed as Document;
}

function findProblems(declared: DocumentShape, document: Document): Map<string, string> {
  const problems = new Map<string, string>();
  for (const issue of documentSchema(declared).safeParse(document).error?.issues ?? [])
    if (issue.code === "unrecognized_keys") for (const name of issue.keys) problems.set(name, "is not declared");
    else problems.set(String(issue.path[0] ?? ""), issue.message);
  return problems;
}

function upcastIfOlder(entity: EntityDeclaration, document: Document, headers: Headers): Document {
  const version = Number(headers[header.schemaVersion]?.toString());
  if (!Number.isSafeInteger(version) || version < 1 || version >= entity.schemaVersion) return document;
  try {
    return upcast(entity, document, version);
  } catch {
    return document; // the dead letter's detail has the upcaster's error
  }
}

function expectedText({ schema }: Field): string {
  const jsonSchema = z.toJSONSchema(schema, { unrepresentable: "any", io: "input" }) as Record<string, unknown>;
  const { $schema: _, ...shape } = jsonSchema;
  return JSON.stringify(shape);
}
