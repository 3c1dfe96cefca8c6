/** JSON Schemas of what is declared with zod, for descriptions that other programs read. Pure. */
import { z } from "zod";
import { systemFields } from "./fields.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** OpenAPI 3.1 takes the first as it is; AsyncAPI 3.0 the second. */
export type Dialect = "draft-2020-12" | "draft-7";

/** What a schema of this description is called by in another place of it. */
export const schemaRef = (name: string): { readonly $ref: string } => ({ $ref: `#/components/schemas/${name}` });

/** `product` → `Product`: the schema of an entity's documents, and a part of other names. */
export const capitalised = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

/** @param named by the name that each has in the description; where one is part of another, it is referred to. */
export function jsonSchemas(named: Readonly<Record<string, z.ZodType>>, target: Dialect): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    target,
    io: "input",
    uri: (id) => schemaRef(id).$ref,
    override,
    // What JSON Schema has no word for is described as anything: a description must not keep a service from its start.
    unrepresentable: "any",
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
}

const madeByServer = new Set<unknown>(Object.values(systemFields).map(({ schema }) => schema));

/** What JSON Schema can say of a rule that zod knows by name only (contracts/entity/fields.ts), and who sets a member. */
function override({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { rules = [] } = jsonSchema as { rules?: readonly string[] };
  if (rules.includes("no value twice")) Object.assign(jsonSchema, { uniqueItems: true });
  if (rules.includes("storable"))
    Object.assign(jsonSchema, {
      description: "Without U+0000 and half surrogate pairs. Its length counts UTF-16 units, as JavaScript does.",
    });
  delete (jsonSchema as { rules?: unknown }).rules;
  if (jsonSchema.pattern === "^") delete jsonSchema.pattern;
  if (madeByServer.has(zodSchema)) jsonSchema.readOnly = true;
}
