/** Parts of an OpenAPI operation: parameters, headers, responses, problems. Pure. */
import { type JsonSchema, schemaRef } from "../../contracts/entity/json-schema.ts";
import { type ErrorCode, policy, RequestError } from "../../contracts/errors.ts";
import { problemBody } from "../http/problem.ts";

/** The members of OpenAPI 3.1's Parameter Object that Lockstep uses. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

/** OpenAPI's Header Object. */
export interface Header {
  readonly description: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

/** OpenAPI's Media Type Object. */
export interface Media {
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

/** OpenAPI's Response Object. */
export interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header>>;
  readonly content?: Readonly<Record<string, Media>>;
}

/** OpenAPI's Operation Object. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Readonly<Record<string, Media>> };
  /** Alternatives, each with its scopes. One of them is enough. */
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  /** Responses by status. */
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

/** Schema of a header or parameter: text, of this pattern if there is one. */
export const text = (pattern?: RegExp): JsonSchema =>
  pattern ? { type: "string", pattern: pattern.source } : { type: "string" };

/** Content of type application/json. */
export const json = (schema: JsonSchema, example?: unknown): Readonly<Record<string, Media>> => ({
  "application/json": media(schema, example),
});

/** Content of one media type. */
export const media = (schema: JsonSchema, example?: unknown): Media =>
  example === undefined ? { schema } : { schema, example };

const retryAfter: Header = {
  description: "seconds after which the same request may succeed",
  required: true,
  schema: text(/^\d+$/),
};

/**
 * Error responses by status. Codes that share a status share a response.
 *
 * @param path path of the request in the examples.
 * @param headers additional headers of the response for a code.
 */
export function problems(
  codes: readonly ErrorCode[],
  path: string,
  headers: Partial<Record<ErrorCode, Readonly<Record<string, Header>>>> = {},
): Record<string, ResponseObject> {
  const byStatus = Map.groupBy(codes, (code) => policy[code].http);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      String(status),
      {
        description: group.map((code) => `${code}: ${policy[code].title.toLowerCase()}`).join("; "),
        headers: Object.assign(
          {},
          ...group.map((code) => headers[code]),
          group.some((code) => policy[code].retry === "soon") ? { "Retry-After": retryAfter } : {},
        ),
        content: {
          "application/problem+json": media(
            { ...schemaRef("Problem"), properties: { status: { const: status }, code: { enum: group } } },
            problemBody(new RequestError(group[0]!, "What happened, and what to do next."), path),
          ),
        },
      },
    ]),
  );
}
