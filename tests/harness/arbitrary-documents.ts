/** fast-check arbitraries for the JSON Schema of a declared entity: valid documents, and documents with one error. */
import fc from "fast-check";
import type { JsonSchema } from "../../contracts/entity/json-schema.ts";

/** @throws {Error} for a schema type that no declaration uses yet. */
function validValues(schema: JsonSchema): fc.Arbitrary<unknown> {
  const { type, enum: words, pattern, minLength = 0, maxLength = 50, minimum, maximum } = schema as SchemaRules;
  if (words) return fc.constantFrom(...words);
  if (pattern) return fc.stringMatching(new RegExp(pattern));
  switch (type) {
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: minimum ?? 0, max: Math.min(maximum ?? 100, 2 ** 31 - 1) });
    case "string":
      // Half of maxLength, since length counts UTF-16 units. No U+0000, which PostgreSQL rejects.
      return fc
        .string({ unit: "binary", minLength, maxLength: Math.max(minLength, Math.floor(maxLength / 2)) })
        .filter((text) => !text.includes("\u0000") && text.length <= maxLength);
    case "array":
      return fc.uniqueArray(validValues((schema as { items: JsonSchema }).items), { maxLength: 5 });
    default:
      throw new Error(`cannot generate a value for the schema ${JSON.stringify(schema)}`);
  }
}

interface SchemaRules {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/**
 * Generates documents for `schema`. Half of them are valid, with some optional members. In the others one member is
 * missing or holds an arbitrary JSON value.
 */
export function validOrBrokenDocuments(schema: JsonSchema): fc.Arbitrary<Record<string, unknown>> {
  const { properties, required } = schema as {
    properties: Readonly<Record<string, JsonSchema>>;
    required: string[];
  };
  const members = Object.fromEntries(Object.entries(properties).map(([member, of]) => [member, validValues(of)]));
  const fits = fc.record(members, { requiredKeys: required });
  const member = fc.constantFrom(...Object.keys(properties), "id", "unknown");
  const spoilt = fc.record({ fits, member, value: fc.jsonValue({ maxDepth: 1 }), missing: fc.boolean() });
  return fc.oneof(
    fits,
    spoilt.map(({ fits: document, member: name, value, missing }) => {
      const { [name]: _, ...others } = document as Record<string, unknown>;
      return missing ? others : { ...others, [name]: value };
    }),
  ) as fc.Arbitrary<Record<string, unknown>>;
}
