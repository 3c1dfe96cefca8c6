/** Shared by the descriptions of reads and writes. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { exampleDocument, exampleId } from "../../contracts/entity/example.ts";
import { capitalize, schemaRef } from "../../contracts/entity/json-schema.ts";
import { pathSegment } from "../../contracts/entity/key.ts";
import type { ErrorCode } from "../../contracts/errors.ts";
import { headers } from "../../pipeline/openapi-headers.ts";
import { json, type ResponseObject } from "../../platform/openapi/operation.ts";

/** Errors of any request to the source. */
export const COMMON_ERRORS: readonly ErrorCode[] = ["MALFORMED", "INTERNAL", "UNAVAILABLE"];

/** Name of an entity's schema: `Product`. */
export const schemaName = ({ name }: EntityDeclaration): string => capitalize(name);

/** Path of the example in examples of problems. */
export const examplePath = (entity: EntityDeclaration, collection: string): string =>
  `${collection}/${pathSegment(exampleId(entity))}`;

/**
 * Name of the schema of a request that replaces an entity: that of a new one, unless clients choose the key of that.
 */
export const replacementName = (entity: EntityDeclaration): string =>
  entity.key.some((member) => !entity.fields[member]!.readOnly)
    ? `${schemaName(entity)}Replacement`
    : `New${schemaName(entity)}`;

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
