/** Generates documents with the extreme values of each field. Deterministic, so that recordings are stable. */
import fc from "fast-check";
import { z } from "zod";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import type { Field } from "../../contracts/entity/fields.ts";

const ID = "0197f3a0-0000-7000-8000-00000000000";

/** Returns documents that together contain every extreme value of every field; at least two. */
export function edgeDocuments(entity: EntityDeclaration): Document[] {
  const edges = Object.entries(entity.fields).map(([member, field]) => [member, edgesOf(member, field)] as const);
  const count = Math.max(2, ...edges.map(([, values]) => values.length));
  return Array.from({ length: count }, (_, i) => ({
    id: `${ID}${i % 10}`,
    ...Object.fromEntries(edges.map(([member, values]) => [member, values[i % values.length]])),
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-12-31T23:59:59.999Z",
    version: i === 1 ? Number.MAX_SAFE_INTEGER : i + 1,
  }));
}

/** Returns valid values of a field, among them the smallest and largest. @throws {Error} when there is none. */
function edgesOf(member: string, field: Field): unknown[] {
  const schema = z.toJSONSchema(field.schema);
  const candidates = [...candidatesOf(schema), ...("initial" in field ? [field.initial] : [])];
  const valid = candidates.filter((value) => field.schema.safeParse(value).success);
  const different = valid.filter((value, i) => valid.findIndex((other) => Bun.deepEquals(other, value)) === i);
  if (different.length === 0)
    throw new Error(
      `no valid value found for ${member}: add its schema type to tests/schema-history/edge-documents.ts`,
    );
  return different;
}

function candidatesOf(schema: z.core.JSONSchema.BaseSchema): unknown[] {
  if (schema.enum) return [...schema.enum];
  switch (schema.type) {
    case "boolean":
      return [false, true];
    case "integer":
    case "number":
      return [schema.minimum, schema.maximum].filter((bound) => bound !== undefined);
    case "string":
      return stringsOf(schema);
    case "array":
      return listsOf(schema);
    default:
      return [];
  }
}

function stringsOf({ minLength = 0, maxLength = 100, pattern }: z.core.JSONSchema.BaseSchema): string[] {
  const texts = ["a".repeat(minLength), "z".repeat(maxLength), "É, 日本 👍\n\t\"'\\".slice(0, maxLength)];
  if (!pattern || pattern === "^") return texts;
  const matching = fc.sample(fc.stringMatching(new RegExp(pattern)), { numRuns: 200, seed: 1 });
  const byLength = matching.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const [shortest, longest] = [byLength[0]!, byLength.at(-1)!];
  // edgesOf removes invalid values.
  return [shortest.replace(/\d/g, "0"), longest.replace(/\d/g, "9"), shortest, longest].slice(0, 3);
}

function listsOf({ items, minItems = 0, maxItems = 10 }: z.core.JSONSchema.BaseSchema): unknown[][] {
  const [first, ...others] = candidatesOf(items as z.core.JSONSchema.BaseSchema);
  const full = Array.from({ length: maxItems }, (_, i) => (typeof first === "string" ? numbered(others[0], i) : first));
  return [Array.from({ length: minItems }, () => first), full];
}

/** Returns a text of the same length that is unique for `i`. */
const numbered = (text: unknown, i: number): string => String(text).replace(/.{1,4}$/, String(i).padStart(4, "0"));
