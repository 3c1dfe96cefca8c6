/** The description of the gateway's HTTP API: made from the same declarations as its routes. Pure. */
import { z } from "zod";
import { entities } from "../../contracts/entities/index.ts";
import { documentSchema, type EntityDeclaration, inputSchema, patchSchema } from "../../contracts/entity.ts";
import { type OpenApi, openApi, type Paths } from "../../platform/openapi/document.ts";
import { description } from "../../platform/openapi/service-paths.ts";
import { bearer, guarded } from "./guarded.ts";
import { nameOf } from "./operations.ts";
import { list, read } from "./reads.ts";
import { change, create, remove } from "./writes.ts";

export const gatewayOpenApi = (): OpenApi =>
  openApi({
    title: "Lockstep gateway",
    description: "Reads and writes of the source. What is written here appears in every replica it is routed to.",
    paths: guarded({
      ...Object.assign({}, ...entities.map(pathsOf)),
      "/openapi.json": { get: description("describe", "This description") },
      "/asyncapi.json": { get: description("describeTopics", "The topics and their messages, as AsyncAPI 3.0") },
    }),
    schemas: Object.assign({}, ...entities.map(schemasOf)),
    securitySchemes: { bearer },
  });

function schemasOf(entity: EntityDeclaration): Record<string, z.ZodType> {
  const [name, document] = [nameOf(entity), documentSchema(entity)];
  return {
    [name]: document,
    [`New${name}`]: inputSchema(entity),
    [`${name}Patch`]: patchSchema(entity),
    [`${name}Page`]: z.strictObject({ items: z.array(document), nextCursor: z.string().nullable() }),
  };
}

function pathsOf(entity: EntityDeclaration): Paths {
  const collection = `/${entity.plural}`;
  return {
    [collection]: { get: list(entity, collection), post: create(entity, collection) },
    [`${collection}/{id}`]: {
      get: read(entity, collection),
      put: change(entity, collection, "replace"),
      patch: change(entity, collection, "patch"),
      delete: remove(entity, collection),
    },
  };
}
