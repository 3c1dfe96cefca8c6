/** Descriptions of the writing routes. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { schemaRef } from "../../contracts/entity/json-schema.ts";
import type { ErrorCode } from "../../contracts/errors.ts";
import {
  headers,
  idOf,
  ifMatch,
  inHeader,
  onlyIfNone,
  prefer,
  syncToken,
  traceparent,
} from "../../pipeline/openapi-headers.ts";
import { type Header, json, media, type Operation, problems, text } from "../../platform/openapi/operation.ts";
import { KEY_PATTERN } from "../idempotency.ts";
import { JSON_TYPES, PATCH_TYPES } from "../routes.ts";
import { COMMON_ERRORS, entityDocument, examplePath, replacementName, schemaName } from "./operations.ts";

const WRITE_ERRORS: readonly ErrorCode[] = [
  ...COMMON_ERRORS,
  "INVALID",
  "REJECTED",
  "KEY_REUSED",
  "SKIPPED",
  "CAPTURE_INCOMPLETE",
];
const BODY_ERRORS: readonly ErrorCode[] = ["TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "CONFLICT"];
const ENTITY_ERRORS: readonly ErrorCode[] = ["NOT_FOUND", "PRECONDITION_FAILED"];

const writeHeaders: Readonly<Record<string, Header>> = {
  ETag: headers.etag,
  "Sync-Token": {
    description: "token of this write; a read with it sees the write in any replica",
    required: true,
    schema: text(/^[\w-]+$/),
  },
  "Idempotency-Replayed": {
    description: "true when an earlier request with the same key made the write",
    schema: { const: "true" },
  },
  "Preference-Applied": headers.preferenceApplied,
  "Lockstep-Replicas": {
    description:
      "by replica: milliseconds until it had the write, `behind` when it did not confirm in time, or `unknown`",
    schema: text(/^[\w-]+;(behind|unknown|ms=\d+)(, [\w-]+;(behind|unknown|ms=\d+))*$/),
  },
};

const writeParameters = [
  inHeader("Idempotency-Key", "a write that is repeated with the same key runs once", text(KEY_PATTERN)),
  syncToken("the response's token also covers them"),
  prefer('waits until the replicas have the write; wait=2; replicas="catalog" waits for that replica only'),
  traceparent,
];

/** `POST` to the collection. */
export function create(entity: EntityDeclaration, collection: string): Operation {
  const location: Header = {
    description: `path of the ${entity.name}`,
    required: true,
    schema: { type: "string", format: "uri-reference" },
  };
  return {
    operationId: `create${schemaName(entity)}`,
    summary: `Creates a ${entity.name}`,
    tags: [entity.plural],
    parameters: writeParameters,
    requestBody: { required: true, content: json(schemaRef(`New${schemaName(entity)}`), entity.example) },
    responses: {
      201: entityDocument(entity, `the new ${entity.name}`, { Location: location, ...writeHeaders }),
      ...problems([...WRITE_ERRORS, ...BODY_ERRORS], collection),
    },
  };
}

const changes = {
  replace: {
    types: JSON_TYPES,
    schema: replacementName,
    example: ({ example, key }: EntityDeclaration) =>
      example && Object.fromEntries(Object.entries(example).filter(([member]) => !key.includes(member))),
    summary: "replaces all fields; a missing field gets its initial value",
  },
  patch: {
    types: PATCH_TYPES,
    schema: (entity: EntityDeclaration) => `${schemaName(entity)}Patch`,
    example: ({ example, unique, key }: EntityDeclaration) => {
      const first = Object.entries(example ?? {}).find(([member]) => !unique.includes(member) && !key.includes(member));
      return first && Object.fromEntries([first]);
    },
    summary: "changes the fields in the body (RFC 7396); null resets a field to its initial value",
  },
};

/** `PUT` or `PATCH` of one entity. */
export function change(entity: EntityDeclaration, collection: string, kind: keyof typeof changes): Operation {
  const { types, schema, example, summary } = changes[kind];
  const body = media(schemaRef(schema(entity)), example(entity));
  return {
    operationId: `${kind}${schemaName(entity)}`,
    summary: `Changes one ${entity.name}: ${summary}`,
    tags: [entity.plural],
    parameters: [idOf(entity), ifMatch, onlyIfNone, ...writeParameters],
    requestBody: { required: true, content: Object.fromEntries(types.map((type) => [type, body])) },
    responses: {
      200: entityDocument(entity, `the ${entity.name} after the change`, writeHeaders),
      ...problems([...WRITE_ERRORS, ...ENTITY_ERRORS, ...BODY_ERRORS], examplePath(entity, collection)),
    },
  };
}

/** `DELETE` of one entity. @param isReferred other entities may refer to it. */
export function remove(entity: EntityDeclaration, collection: string, isReferred: boolean): Operation {
  const conflict: readonly ErrorCode[] = isReferred ? ["CONFLICT"] : [];
  return {
    operationId: `delete${schemaName(entity)}`,
    summary: `Deletes one ${entity.name} in the source and in every replica`,
    tags: [entity.plural],
    parameters: [idOf(entity), ifMatch, onlyIfNone, ...writeParameters],
    responses: {
      204: { description: "deleted; ETag and Sync-Token have the version of the tombstone", headers: writeHeaders },
      // INVALID: the source rejects the delete when a table that no entity declares refers to the row.
      ...problems([...WRITE_ERRORS, ...ENTITY_ERRORS, ...conflict], examplePath(entity, collection)),
    },
  };
}
