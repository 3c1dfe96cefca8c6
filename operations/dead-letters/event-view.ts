/** A letter's event beside what was expected of it, field by field. Pure. */
import { z } from "zod";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { type Field, systemFields } from "../../contracts/entity/fields.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";
import { upcast } from "../../contracts/entity/upcast.ts";
import { header } from "../../contracts/event.ts";

export interface FieldView {
  readonly field: string;
  /** As JSON; hidden where it is private or not declared, unless revealed. Null when the event does not have it. */
  readonly value: string | null;
  /** What the declaration asks for, as JSON Schema; null for a field that is not declared. */
  readonly expected: string | null;
  readonly problem: string | null;
}

export interface EventView {
  /** Why the fields cannot be told; then there are none. */
  readonly unreadable: string | null;
  readonly fields: readonly FieldView[];
}

const HIDDEN = "(hidden; --reveal shows it)";

/**
 * @param replica whose projection the event is; undefined for an event of the source.
 * @param reveal shows private values too.
 */
export function viewEvent(
  entity: EntityDeclaration,
  replica: string | undefined,
  { value, headers }: { readonly value: Buffer | null; readonly headers: Readonly<Record<string, Buffer>> },
  reveal: boolean,
): EventView {
  if (value === null) return { unreadable: "there is no value: a delete", fields: [] };
  let given: unknown;
  try {
    given = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch {
    return { unreadable: `the value is not JSON in UTF-8 (${value.length} bytes)`, fields: [] };
  }
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return { unreadable: "the value is no JSON object", fields: [] };
  const declared =
    replica === undefined ? entity.fields : (entity.replicas.find((r) => r.name === replica)?.fields ?? {});
  const document = current(entity, given as Record<string, unknown>, replica, headers);
  const fields: Readonly<Record<string, Field>> = { ...systemFields, ...declared };
  const checked = documentSchema({ fields: declared }).safeParse(document);
  const problems = new Map<string, string>();
  for (const issue of checked.error?.issues ?? [])
    for (const name of issue.code === "unrecognized_keys" ? issue.keys : [String(issue.path[0] ?? "")])
      problems.set(name, issue.code === "unrecognized_keys" ? "is not declared" : issue.message);
  const names = new Set([...Object.keys(fields), ...Object.keys(document)]);
  return {
    unreadable: null,
    fields: [...names].map((name) => {
      const field = fields[name];
      const hidden = !reveal && (!field || field.private || entity.fields[name]?.private === true);
      const text = name in document ? JSON.stringify(document[name]) : null;
      return {
        field: name,
        value: text !== null && hidden ? HIDDEN : text,
        expected: field ? expectedText(field) : null,
        problem: problems.get(name) ?? null,
      };
    }),
  };
}

/** In today's shape, where an older one can be brought there. */
function current(
  entity: EntityDeclaration,
  given: Record<string, unknown>,
  replica: string | undefined,
  headers: Readonly<Record<string, Buffer>>,
): Record<string, unknown> {
  const from = Number(headers[header.schemaVersion]?.toString());
  if (replica !== undefined || !Number.isSafeInteger(from) || from < 1 || from >= entity.schemaVersion) return given;
  try {
    return upcast(entity, given, from);
  } catch {
    return given; // the letter's detail says why
  }
}

function expectedText({ schema }: Field): string {
  const { $schema: _, ...shape } = z.toJSONSchema(schema, { unrepresentable: "any", io: "input" }) as Record<
    string,
    unknown
  >;
  return JSON.stringify(shape);
}
