/** Generates documents with the extreme values of each field. Deterministic, so that recordings are stable. */
import fc from "fast-check";
import { z } from "zod";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import type { Field, FieldKind, Fields } from "../../contracts/entity/field.ts";

const ID = "0197f3a0-0000-7000-8000-00000000000";

/** Returns documents that together contain every extreme value of every field; at least two. */
export function edgeDocuments(entity: EntityDeclaration): Document[] {
  const fields = edgesOfAll(entity.fields);
  const children = Object.entries(entity.children).map(
    ([member, child]) => [member, edgesOfAll(child.fields)] as const,
  );
  const all = [fields, ...children.map(([, edges]) => edges)].flat();
  const count = Math.max(2, ...all.map(([, values]) => values.length));
  return Array.from({ length: count }, (_, i) => {
    const document: Document = { ...at(fields, i), ...ownValues(entity, i) };
    for (const [member, edges] of children) document[member] = [at(edges, i), at(edges, i + 1)].slice(0, i % 3);
    return document;
  });
}

type Edges = readonly (readonly [member: string, values: readonly unknown[]])[];

const edgesOfAll = (fields: Fields): Edges =>
  Object.entries(fields).map(([member, field]) => [member, edgesOf(member, field)] as const);

/** One of each member's values. */
const at = (edges: Edges, i: number): Document =>
  Object.fromEntries(edges.map(([member, values]) => [member, values[i % values.length]]));

/** Values of the members that Lockstep sets, and of a UUID key. */
function ownValues({ key, version, createdAt, updatedAt, fields }: EntityDeclaration, i: number): Document {
  const [first] = key;
  return {
    ...(first !== undefined && fields[first]!.kind === "uuid" ? { [first]: `${ID}${i % 10}` } : {}),
    ...(createdAt === undefined ? {} : { [createdAt]: "2026-01-01T00:00:00.000Z" }),
    ...(updatedAt === undefined ? {} : { [updatedAt]: "2026-12-31T23:59:59.999Z" }),
    ...(version === undefined ? {} : { [version]: i === 1 ? Number.MAX_SAFE_INTEGER : i + 1 }),
  };
}

/** Extreme values of the types whose JSON Schema does not show them. Those that a field does not allow are left out. */
const EDGES: Partial<Record<FieldKind, readonly unknown[]>> = {
  bigint: [0, -1, Number.MAX_SAFE_INTEGER, "9007199254740992", "-9223372036854775808"],
  bytea: ["\\x", "\\x00ff"],
  date: ["2026-01-02", "-infinity", "infinity", "0044-03-15 BC", "5874897-12-31"],
  float: [0, 1.5, -1e-30, "NaN", "Infinity", "-Infinity", "-0"],
  json: ["{}", '{ "a": 1.50, "a": [null] }'],
  jsonb: [{}, [], "text", 1.5, { nested: [{ deep: null }, "É 👍"] }],
  numeric: ["0", "-1.50", "NaN", "Infinity", "123456789012345678901234567890.10"],
  other: ["", "{1,2}", "É, 日本 👍"],
  time: ["00:00:00", "24:00:00", "03:04:05.678901", "03:04:05+00", "24:00:00-15:59"],
  timestamp: ["2026-01-02T03:04:05", "2026-01-02T03:04:05.678901", "infinity", "0044-03-15T00:00:00 BC"],
  timestamptz: ["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678901Z", "-infinity", "0044-03-15T00:00:00Z BC"],
  uuid: ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
};

/** Returns valid values of a field, among them the smallest and largest. @throws {Error} when there is none. */
function edgesOf(member: string, field: Field): unknown[] {
  const schema = z.toJSONSchema(field.schema, { unrepresentable: "any" });
  const candidates = [
    ...(EDGES[field.kind] ?? []),
    ...(field.kind === "array" ? (EDGES[field.elementKind!] ?? []).map((item) => [item]) : []),
    ...candidatesOf(schema),
    ...("initial" in field ? [field.initial] : []),
    ...(field.nullable ? [null] : []),
  ];
  const valid = candidates.filter((value) => field.schema.safeParse(value).success);
  const different = valid.filter((value, i) => valid.findIndex((other) => Bun.deepEquals(other, value)) === i);
  if (different.length === 0)
    throw new Error(`no valid value found for ${member}: add its kind to tests/schema-history/edge-documents.ts`);
  return different;
}

function candidatesOf(schema: z.core.JSONSchema.BaseSchema): unknown[] {
  if (schema.anyOf) return schema.anyOf.flatMap((option) => candidatesOf(option as z.core.JSONSchema.BaseSchema));
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
  // fast-check generates no texts for look-aheads. edgesOf removes what these exclude.
  const generated = fc.stringMatching(new RegExp(pattern.replace(/\(\?![^)]*\)/g, "")));
  const matching = fc.sample(generated, { numRuns: 200, seed: 1 });
  const byLength = matching.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  const [shortest, longest] = [byLength[0]!, byLength.at(-1)!];
  // edgesOf removes invalid values.
  return [shortest.replace(/\d/g, "0"), longest.replace(/\d/g, "9"), shortest, longest].slice(0, 3);
}

function listsOf({ items, minItems = 0, maxItems = 10 }: z.core.JSONSchema.BaseSchema): unknown[][] {
  if (!items) return [[]];
  const [first, ...others] = candidatesOf(items as z.core.JSONSchema.BaseSchema);
  const full = Array.from({ length: maxItems }, (_, i) => (typeof first === "string" ? numbered(others[0], i) : first));
  return [Array.from({ length: minItems }, () => first), full];
}

/** Returns a text of the same length that is unique for `i`. */
const numbered = (text: unknown, i: number): string => String(text).replace(/.{1,4}$/, String(i).padStart(4, "0"));
