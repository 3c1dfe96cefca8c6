/** The description of a service's HTTP API (OpenAPI 3.1), made of its routes' descriptions. */
import type { Hono } from "hono";
import { z } from "zod";
import { type JsonSchema, jsonSchemas } from "../../contracts/entity/json-schema.ts";
import { problemSchema } from "../../contracts/errors.ts";
import { VERSION } from "../version.ts";
import type { Operation } from "./operation.ts";
import { healthSchema, servicePaths } from "./service-paths.ts";

/** By path as OpenAPI writes it, and method in lower case. */
export type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/** Members of an OpenAPI 3.1 document that are used here. */
export interface OpenApi {
  readonly openapi: "3.1.1";
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description: string;
    readonly license: object;
  };
  readonly servers: readonly { readonly url: string }[];
  readonly security: readonly [];
  readonly paths: Paths;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>>; readonly securitySchemes?: object };
}

const everywhere = `HEAD is answered like GET without the content, OPTIONS with the methods of a path. Every refusal is a problem
(RFC 9457); other paths are 404, other methods 405 with \`Allow\`.`;

const license = { name: "MIT", identifier: "MIT" };

/** @param about.schemas what the paths refer to, by name. */
export function openApi(about: {
  readonly title: string;
  readonly description: string;
  readonly paths: Paths;
  readonly schemas: Readonly<Record<string, z.ZodType>>;
  readonly securitySchemes?: object;
}): OpenApi {
  const schemas = { ...about.schemas, Health: healthSchema, Problem: problemSchema };
  return {
    openapi: "3.1.1",
    info: { title: about.title, version: VERSION, description: `${about.description}\n\n${everywhere}`, license },
    // Where the description was found, there the service is.
    servers: [{ url: "/" }],
    // Nobody is asked, unless an operation says otherwise.
    security: [],
    paths: { ...servicePaths, ...about.paths },
    components: {
      schemas: jsonSchemas(schemas, "draft-2020-12"),
      ...(about.securitySchemes ? { securitySchemes: about.securitySchemes } : {}),
    },
  };
}

/** The schema of a page of these documents, as pageOf makes it (contracts/pages.ts). */
export const pageSchema = (document: z.ZodType): z.ZodType =>
  z.strictObject({ items: z.array(document), nextCursor: z.string().nullable() });

/** Adds a `GET` of a description, which is made when somebody first asks for it, and stays as it is while the process lives. */
export function serveDescription(app: Hono, path: `/${string}.json`, describe: () => object): void {
  let text: string | undefined;
  app.get(path, (c) => {
    text ??= JSON.stringify(describe());
    return c.body(text, 200, { "content-type": "application/json", "cache-control": "no-cache" });
  });
}
