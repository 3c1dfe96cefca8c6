/** Shared by the descriptions of reads and writes. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { exampleDocument } from "../../contracts/entity/example.ts";
import { capitalize, schemaRef } from "../../contracts/entity/json-schema.ts";
import type { ErrorCode } from "../../contracts/errors.ts";
import { headers } from "../../pipeline/openapi-headers.ts";
import { json, type ResponseObject } from "../../platform/openapi/operation.ts";

/** Errors of any request to the source. */
export const COMMON_ERRORS: readonly ErrorCode[] = ["MALFORMED", "INTERNAL", "UNAVAILABLE"];

/** Name of an entity's schema: `Product`. */
export const schemaName = ({ name }: EntityDeclaration): string => capitalize(name);

/** The response with the document. @param more further response headers. */
export const entityDocument = (
  entity: EntityDeclaration,
  description: string,
  more: ResponseObject["headers"],
): ResponseObject => ({
  description,
  headers: { ETag: headers.etag, ...more },
  content: json(schemaRef(schemaName(entity)), exampleDocument(entity)),
});
