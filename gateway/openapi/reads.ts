/** Descriptions of the reading routes. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { exampleDocument } from "../../contracts/entity/example.ts";
import { capitalize, schemaRef } from "../../contracts/entity/json-schema.ts";
import { headers, idOf, ifNoneMatch, page, traceparent } from "../../pipeline/openapi-headers.ts";
import { json, type Operation, problems } from "../../platform/openapi/operation.ts";
import { COMMON_ERRORS, entityDocument, examplePath, schemaName } from "./operations.ts";

/** `GET` of the collection. */
export function list(entity: EntityDeclaration, path: string): Operation {
  const example = exampleDocument(entity);
  return {
    operationId: `list${capitalize(entity.plural)}`,
    summary: `Lists ${entity.plural} in the order of their ids, a page at a time`,
    tags: [entity.plural],
    parameters: [...page, traceparent],
    responses: {
      200: {
        description: "a page",
        headers: { Link: headers.link, "Cache-Control": headers.noCache },
        content: json(schemaRef(`${schemaName(entity)}Page`), example && { items: [example], nextCursor: null }),
      },
      ...problems(COMMON_ERRORS, path),
    },
  };
}

/** `GET` of one entity. */
export function read(entity: EntityDeclaration, collection: string): Operation {
  return {
    operationId: `read${schemaName(entity)}`,
    summary: `Reads one ${entity.name}, private fields included`,
    tags: [entity.plural],
    parameters: [idOf(entity), ifNoneMatch, traceparent],
    responses: {
      200: entityDocument(entity, `the ${entity.name}`, { "Cache-Control": headers.noCache }),
      304: {
        description: "the client already has this version",
        headers: { ETag: headers.etag, "Cache-Control": headers.noCache },
      },
      ...problems([...COMMON_ERRORS, "NOT_FOUND"], examplePath(entity, collection)),
    },
  };
}
