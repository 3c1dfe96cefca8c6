/** Builds the OpenAPI 3.1 description of a service from the descriptions of its routes. */
import type { Hono } from "hono";
import { z } from "zod";
import { type JsonSchema, jsonSchemas } from "../../contracts/entity/json-schema.ts";
import { problemSchema } from "../../contracts/errors.ts";
import { VERSION } from "../version.ts";
import type { Operation } from "./operation.ts";
import { healthSchema, servicePaths } from "./service-paths.ts";

/** Operations by path in OpenAPI's notation, and by method in lower case. */
export type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/** The members of an OpenAPI 3.1 document that Lockstep uses. */
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

const COMMON_RULES = `HEAD responds like GET without the content. OPTIONS responds with the methods of a path.
Every error is a problem (RFC 9457): 404 for an unknown path, 405 with \`Allow\` for another method.`;

const license = { name: "MIT", identifier: "MIT" };

/** Builds a document. @param about.schemas the schemas that the paths refer to, by name. */
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
    info: { title: about.title, version: VERSION, description: `${about.description}\n\n${COMMON_RULES}`, license },
    // The service that serves the description is the server that it describes.
    servers: [{ url: "/" }],
    // Operations that need a token name their own requirement.
    security: [],
    paths: { ...servicePaths, ...about.paths },
    components: {
      schemas: jsonSchemas(schemas, "draft-2020-12"),
      ...(about.securitySchemes ? { securitySchemes: about.securitySchemes } : {}),
    },
  };
}

/** Schema of one page of a list, as `pageOf` returns it (contracts/pages.ts). */
export const pageSchema = (document: z.ZodType): z.ZodType =>
  z.strictObject({ items: z.array(document), nextCursor: z.string().nullable() });

/** Adds a `GET` route for a description. The first request builds the description; later requests reuse it. */
export function serveDescription(app: Hono, path: `/${string}.json`, describe: () => object): void {
  let text: string | undefined;
  app.get(path, (c) => {
    text ??= JSON.stringify(describe());
    return c.body(text, 200, { "content-type": "application/json", "cache-control": "no-cache" });
  });
}
