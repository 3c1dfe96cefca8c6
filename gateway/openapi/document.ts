/** The OpenAPI description of the gateway, derived from the same declarations as its routes. Pure. */
import type { z } from "zod";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { documentSchema, inputSchema, patchSchema, replaceSchema } from "../../contracts/entity/schemas.ts";
import type { Project } from "../../contracts/project.ts";
import { type OpenApi, openApi, type Paths, pageSchema } from "../../platform/openapi/document.ts";
import { description, servicePaths } from "../../platform/openapi/service-paths.ts";
import { bearer, guarded } from "./guarded.ts";
import { examplePath, replacementName, schemaName } from "./operations.ts";
import { list, read } from "./reads.ts";
import { change, create, remove } from "./writes.ts";

/** The whole description. */
export const gatewayOpenApi = ({ entities }: Pick<Project, "entities">): OpenApi =>
  openApi({
    title: "Lockstep gateway",
    description: "Reads and writes the source. Each write is copied to every replica whose filter matches.",
    paths: guarded(
      {
        ...Object.assign({}, ...entities.map((entity) => pathsOf(entity, entities))),
        "/openapi.json": servicePaths["/openapi.json"],
        "/asyncapi.json": { get: description("describeTopics", "The topics and their messages (AsyncAPI 3.0)") },
      },
      Object.fromEntries(
        entities.map((entity) => [`/${entity.plural}/{id}`, examplePath(entity, `/${entity.plural}`)]),
      ),
    ),
    schemas: Object.assign({}, ...entities.map(schemasOf)),
    securitySchemes: { bearer },
  });

function schemasOf(entity: EntityDeclaration): Record<string, z.ZodType> {
  const [name, document] = [schemaName(entity), documentSchema(entity)];
  return {
    [name]: document,
    [replacementName(entity)]: replaceSchema(entity),
    [`New${name}`]: inputSchema(entity),
    [`${name}Patch`]: patchSchema(entity),
    [`${name}Page`]: pageSchema(document),
  };
}

function pathsOf(entity: EntityDeclaration, entities: readonly EntityDeclaration[]): Paths {
  const collection = `/${entity.plural}`;
  return {
    [collection]: { get: list(entity, collection), post: create(entity, collection) },
    [`${collection}/{id}`]: {
      get: read(entity, collection),
      put: change(entity, collection, "replace"),
      patch: change(entity, collection, "patch"),
      delete: remove(entity, collection, isReferred(entity, entities)),
    },
  };
}

/** True when another entity, or a child of one, may refer to this one. */
const isReferred = ({ name }: EntityDeclaration, entities: readonly EntityDeclaration[]): boolean =>
  entities.some(({ references }) => Object.values(references).some((reference) => reference.entity === name));
