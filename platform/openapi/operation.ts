/** What descriptions of single operations are made of: parameters, headers, answers, problems. Pure. */

import { type JsonSchema, schemaRef } from "../../contracts/entity/json-schema.ts";
import { type ErrorCode, policy, RequestError } from "../../contracts/errors.ts";
import { problemBody } from "../http/http.ts";

/** Members of OpenAPI 3.1's Parameter Object that are used here. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

/** The same of its Header Object. */
export interface Header {
  readonly description: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

/** Its Media Type Object. */
export interface Media {
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

/** Its Response Object. */
export interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header>>;
  readonly content?: Readonly<Record<string, Media>>;
}

/** Its Operation Object. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Readonly<Record<string, Media>> };
  /** Any of these will do; the scopes of each. */
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  /** By status. */
  readonly responses: Readonly<Record<string, Answer>>;
}

/** Of a header or parameter; a pattern where its value has a form. */
export const text = (pattern?: RegExp): JsonSchema =>
  pattern ? { type: "string", pattern: pattern.source } : { type: "string" };

/** Content as application/json. */
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

/** @param path of the request that the examples refuse. @param headers that a refusal with this code has too. */
export function problems(
  codes: readonly ErrorCode[],
  path: string,
  headers: Partial<Record<ErrorCode, Readonly<Record<string, Header>>>> = {},
): Record<string, Answer> {
  const byStatus = Map.groupBy(codes, (code) => policy[code].http);
  return Object.fromEntries(
    [...byStatus].map(([status, alike]) => [
      String(status),
      {
        description: alike.map((code) => `${code}: ${policy[code].title.toLowerCase()}`).join("; "),
        headers: Object.assign(
          {},
          ...alike.map((code) => headers[code]),
          alike.some((code) => policy[code].retry === "soon") ? { "Retry-After": retryAfter } : {},
        ),
        content: {
          "application/problem+json": media(
            { ...schemaRef("Problem"), properties: { status: { const: status }, code: { enum: alike } } },
            problemBody(new RequestError(alike[0]!, "What happened, and what to do next."), path),
          ),
        },
      },
    ]),
  );
}
