/** Converts a declaration to plain JSON: everything that decides whether a document can be read. Pure. */
import { z } from "zod";
import type { DocumentShape, EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";

/** A JSON Schema as plain data. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A declaration as a recording contains it. */
export interface DeclarationSnapshot {
  /** JSON Schema of each member of the source's document. */
  readonly members: Readonly<Record<string, JsonSchema>>;
  /** Names of the private fields. */
  readonly private: readonly string[];
  /** JSON Schema of each member of each replica's document; {@link SAME} where it equals the source's. */
  readonly replicas: Readonly<Record<string, Readonly<Record<string, JsonSchema | typeof SAME>>>>;
}

const SAME = "as in the source";

/**
 * Returns the snapshot of a declaration.
 *
 * @throws {Error} for a refinement without a name: JSON Schema cannot show it, so that its change would go unnoticed.
 */
export function snapshotOf(entity: EntityDeclaration): DeclarationSnapshot {
  const members = schemasOf(entity.name, entity);
  const inReplica = (replica: ReplicaDeclaration) =>
    Object.entries(schemasOf(`${entity.name} in ${replica.name}`, replica)).map(([member, schema]) => [
      member,
      Bun.deepEquals(schema, members[member]) ? SAME : schema,
    ]);
  return {
    members,
    private: Object.keys(entity.fields).filter((member) => entity.fields[member]!.private),
    replicas: Object.fromEntries(
      entity.replicas.map((replica) => [replica.name, Object.fromEntries(inReplica(replica))]),
    ),
  };
}

function schemasOf(what: string, shape: DocumentShape): Record<string, JsonSchema> {
  const all = Object.entries(documentSchema(shape).shape) as [string, z.ZodType][];
  return Object.fromEntries(
    all.map(([member, schema]) => {
      rejectUnnamedRules(what, schema, [member]);
      const { $schema: _, pattern, ...json } = z.toJSONSchema(schema, { unrepresentable: "any" });
      // A format is identified by its name. Its pattern belongs to zod, and may differ in another version of zod.
      return [member, JSON.parse(JSON.stringify(json.format ? json : { ...json, pattern }))];
    }),
  );
}

/** A refinement is code. JSON Schema shows it only by the `rules` of the schema's metadata (contracts/entity/rules.ts). */
function rejectUnnamedRules(what: string, schema: z.ZodType, at: readonly string[], seen = new Set<z.ZodType>()): void {
  if (seen.has(schema)) return; // a schema may contain itself, as `z.json()` does
  seen.add(schema);
  const { def } = schema._zod;
  const refined = (def.checks ?? []).some((check) => check._zod.def.check === "custom");
  if (refined && !schema.meta()?.rules)
    throw new Error(
      `${what}: the schema of ${at.join(".")} has a refinement without a name; add .meta({ rules: ["…"] }) to it`,
    );
  if (schema instanceof z.ZodLazy) rejectUnnamedRules(what, schema.unwrap() as z.ZodType, at, seen);
  for (const [key, inner] of Object.entries(def)) visit(inner, [...at, key]);

  function visit(inner: unknown, path: readonly string[]): void {
    if (inner instanceof z.core.$ZodType) rejectUnnamedRules(what, inner as z.ZodType, path, seen);
    else if (Array.isArray(inner)) for (const one of inner) visit(one, path);
    else if (inner !== null && typeof inner === "object" && Object.getPrototypeOf(inner) === Object.prototype)
      for (const [key, one] of Object.entries(inner)) visit(one, [...path, key]);
  }
}

/** Returns one line for each difference of two recordings: `members.title was added`. */
export function changesBetween(before: unknown, after: unknown, at = ""): string[] {
  if (Bun.deepEquals(before, after, true)) return [];
  if (!isObject(before) || !isObject(after)) {
    if (before === undefined) return [`${at} was added`];
    if (after === undefined) return [`${at} was removed`];
    return [`${at} was ${JSON.stringify(before)} and is ${JSON.stringify(after)}`];
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => changesBetween(before[key], after[key], at ? `${at}.${key}` : key));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);
