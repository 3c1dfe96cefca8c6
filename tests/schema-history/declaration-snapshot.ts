/** What is recorded of a declaration: everything that decides whether a document can be read, as plain JSON. Pure. */
import { z } from "zod";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { systemFields } from "../../contracts/entity/fields.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface DeclarationSnapshot {
  /** JSON Schema of each member of the source's document. */
  readonly members: Readonly<Record<string, JsonSchema>>;
  /** Names of the private fields. */
  readonly private: readonly string[];
  /** Of each replica's document: JSON Schemas too, or where a member is the source's own, that. */
  readonly replicas: Readonly<Record<string, Readonly<Record<string, JsonSchema | typeof SAME>>>>;
}

const SAME = "as in the source";

/**
 * @throws {Error} when a schema has a rule that JSON Schema cannot show and that nothing names: a change of it would not be noticed.
 */
export function snapshotOf(entity: EntityDeclaration): DeclarationSnapshot {
  const members = schemasOf(entity.name, entity.fields);
  const inReplica = ({ name, fields }: ReplicaDeclaration) =>
    Object.entries(schemasOf(`${entity.name} in ${name}`, fields)).map(([member, schema]) => [
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

function schemasOf(what: string, fields: EntityDeclaration["fields"]): Record<string, JsonSchema> {
  const all = Object.entries({ ...systemFields, ...fields });
  return Object.fromEntries(
    all.map(([member, { schema }]) => {
      rejectUnnamedRules(what, schema, [member]);
      const { $schema: _, pattern, ...json } = z.toJSONSchema(schema);
      // A format is told by its name: the pattern beside it is zod's, and may be another one with the next zod.
      return [member, JSON.parse(JSON.stringify(json.format ? json : { ...json, pattern }))];
    }),
  );
}

/** A refinement is code. It shows in the JSON Schema only by the `rules` that the schema's metadata name (contracts/entity/fields.ts). */
function rejectUnnamedRules(what: string, schema: z.ZodType, at: readonly string[]): void {
  const { def } = schema._zod;
  const refined = (def.checks ?? []).some((check) => check._zod.def.check === "custom");
  if (refined && !schema.meta()?.rules)
    throw new Error(
      `${what}: the schema of ${at.join(".")} has a refinement without a name; add .meta({ rules: ["…"] }) to it`,
    );
  for (const [key, inner] of Object.entries(def)) visit(inner, [...at, key]);

  function visit(inner: unknown, path: readonly string[]): void {
    if (inner instanceof z.core.$ZodType) rejectUnnamedRules(what, inner as z.ZodType, path);
    else if (Array.isArray(inner)) for (const one of inner) visit(one, path);
    else if (inner !== null && typeof inner === "object" && Object.getPrototypeOf(inner) === Object.prototype)
      for (const [key, one] of Object.entries(inner)) visit(one, [...path, key]);
  }
}

/** Where two recordings differ, a line each: `members.title was added`. */
export function changesBetween(before: unknown, after: unknown, at = ""): string[] {
  if (Bun.deepEquals(before, after, true)) return [];
  if (!isObject(before) || !isObject(after)) {
    if (before === undefined) return [`${at} was added`];
    if (after === undefined) return [`${at} is gone`];
    return [`${at} was ${JSON.stringify(before)} and is ${JSON.stringify(after)}`];
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => changesBetween(before[key], after[key], at ? `${at}.${key}` : key));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);
