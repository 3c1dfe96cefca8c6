/** Converts zod schemas to JSON Schemas, for the OpenAPI and AsyncAPI descriptions. Pure. */
import { z } from "zod";
import { readOnlySchemas } from "./column-field.ts";

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** JSON Schema dialect: OpenAPI 3.1 uses 2020-12, AsyncAPI 3.0 uses draft 7. */
type Dialect = "draft-2020-12" | "draft-7";

/** A reference to a schema of the same description. */
export const schemaRef = (name: string): { readonly $ref: string } => ({ $ref: `#/components/schemas/${name}` });

/** `product` → `Product`: the name of an entity's schema, and a part of other names. */
export const capitalize = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

/**
 * Converts schemas.
 *
 * @param schemasByName by the name of each in the description. A schema that contains another one refers to it.
 */
export function jsonSchemas(
  schemasByName: Readonly<Record<string, z.ZodType>>,
  target: Dialect,
): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemasByName)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    target,
    io: "input",
    uri: (id) => schemaRef(id).$ref,
    override,
    // A rule that JSON Schema cannot express is left out: a description must not prevent a service from starting.
    unrepresentable: "any",
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
}

/**
 * Adds what zod cannot convert: the rules that schemas name, and `readOnly` for the members that the server sets.
 */
function override({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { rules = [] } = jsonSchema as { rules?: readonly string[] };
  if (rules.includes("no value twice")) Object.assign(jsonSchema, { uniqueItems: true });
  if (rules.includes("storable"))
    Object.assign(jsonSchema, {
      description: "No U+0000 and no lone surrogate. The length counts UTF-16 units, as in JavaScript.",
    });
  // JSON Schema counts characters, as PostgreSQL does.
  const limit = Number(rules.map((rule) => /^at most (\d+) characters$/.exec(rule)?.[1]).find(Boolean) ?? Infinity);
  if (limit < (jsonSchema.maxLength ?? Infinity)) jsonSchema.maxLength = limit;
  delete (jsonSchema as { rules?: unknown }).rules;
  if (jsonSchema.pattern === "^") delete jsonSchema.pattern;
  if (readOnlySchemas.has(zodSchema as z.ZodType)) jsonSchema.readOnly = true;
}
