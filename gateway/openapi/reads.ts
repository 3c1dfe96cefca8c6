/** The descriptions of the routes that read. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { EXAMPLE_ID, exampleDocument } from "../../contracts/entity/example.ts";
import { capitalize, schemaRef } from "../../contracts/entity/json-schema.ts";
import { headers, id, ifNoneMatch, page, traceparent } from "../../pipeline/openapi-headers.ts";
import { json, type Operation, problems } from "../../platform/openapi/operation.ts";
import { ANY, entityDocument, schemaName } from "./operations.ts";

export function list(entity: EntityDeclaration, path: string): Operation {
  const example = exampleDocument(entity);
  return {
    operationId: `list${capitalize(entity.plural)}`,
    summary: `A page of ${entity.plural}, in the order of their ids`,
    tags: [entity.plural],
    parameters: [...page, traceparent],
    responses: {
      200: {
        description: "a page",
        headers: { Link: headers.link, "Cache-Control": headers.noCache },
        content: json(schemaRef(`${schemaName(entity)}Page`), example && { items: [example], nextCursor: null }),
      },
      ...problems(ANY, path),
    },
  };
}

export function read(entity: EntityDeclaration, collection: string): Operation {
  return {
    operationId: `read${schemaName(entity)}`,
    summary: `One ${entity.name}, private fields too`,
    tags: [entity.plural],
    parameters: [id, ifNoneMatch, traceparent],
    responses: {
      200: entityDocument(entity, `the ${entity.name}`, { "Cache-Control": headers.noCache }),
      304: {
        description: "the client has this version",
        headers: { ETag: headers.etag, "Cache-Control": headers.noCache },
      },
      ...problems([...ANY, "NOT_FOUND"], `${collection}/${EXAMPLE_ID}`),
    },
  };
}
