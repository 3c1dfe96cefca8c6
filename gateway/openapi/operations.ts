/** What reads and writes have in common. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { exampleDocument } from "../../contracts/entity/example.ts";
import { capitalize, schemaRef } from "../../contracts/entity/json-schema.ts";
import type { ErrorCode } from "../../contracts/errors.ts";
import { headers } from "../../pipeline/openapi-headers.ts";
import { json, type ResponseObject } from "../../platform/openapi/operation.ts";

/** What can go wrong with any request that reaches the source. */
export const ANY: readonly ErrorCode[] = ["MALFORMED", "INTERNAL", "UNAVAILABLE"];

/** Of an entity's schema. */
export const schemaName = ({ name }: EntityDeclaration): string => capitalize(name);

/** The answer with the document. */
export const entityDocument = (
  entity: EntityDeclaration,
  description: string,
  more: ResponseObject["headers"],
): ResponseObject => ({
  description,
  headers: { ETag: headers.etag, ...more },
  content: json(schemaRef(schemaName(entity)), exampleDocument(entity)),
});
