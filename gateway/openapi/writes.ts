/** The descriptions of the routes that write. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { EXAMPLE_ID } from "../../contracts/entity/example.ts";
import { schemaRef } from "../../contracts/entity/json-schema.ts";
import type { ErrorCode } from "../../contracts/errors.ts";
import {
  headers,
  id,
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
import { ANY, entityDocument, schemaName } from "./operations.ts";

const WRITE: readonly ErrorCode[] = [...ANY, "INVALID", "KEY_REUSED"];
const BODY: readonly ErrorCode[] = ["TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "CONFLICT"];
const MEMBER: readonly ErrorCode[] = ["NOT_FOUND", "PRECONDITION_FAILED"];

const written: Readonly<Record<string, Header>> = {
  ETag: headers.etag,
  "Sync-Token": { description: "lets any replica's read see this write", required: true, schema: text(/^[\w-]+$/) },
  "Idempotency-Replayed": {
    description: "the answer is that of an earlier request with the key",
    schema: { const: "true" },
  },
  "Preference-Applied": headers.preferenceApplied,
  "Lockstep-Replicas": {
    description:
      "for each replica: after how many milliseconds it had the write, `behind` when it did not confirm in time, or `unknown`",
    schema: text(/^[\w-]+;(behind|unknown|ms=\d+)(, [\w-]+;(behind|unknown|ms=\d+))*$/),
  },
};

const writing = [
  inHeader("Idempotency-Key", "a write that is repeated with its key is carried out once", text(KEY_PATTERN)),
  syncToken("the answer's token covers them too"),
  prefer('how long to wait until the replicas have it; wait=2; replicas="catalog" waits for that one'),
  traceparent,
];

export function create(entity: EntityDeclaration, collection: string): Operation {
  const location: Header = {
    description: `where the ${entity.name} is`,
    required: true,
    schema: { type: "string", format: "uri-reference" },
  };
  return {
    operationId: `create${schemaName(entity)}`,
    summary: `Makes a new ${entity.name}`,
    tags: [entity.plural],
    parameters: writing,
    requestBody: { required: true, content: json(schemaRef(`New${schemaName(entity)}`), entity.example) },
    responses: {
      201: entityDocument(entity, `the new ${entity.name}`, { Location: location, ...written }),
      ...problems([...WRITE, ...BODY], collection),
    },
  };
}

const changes = {
  replace: {
    types: JSON_TYPES,
    schema: (name: string) => `New${name}`,
    example: ({ example }: EntityDeclaration) => example,
    summary: "the whole; what is not sent has its initial value",
  },
  patch: {
    types: PATCH_TYPES,
    schema: (name: string) => `${name}Patch`,
    example: ({ example, unique }: EntityDeclaration) => {
      const first = Object.entries(example ?? {}).find(([member]) => !unique.includes(member));
      return first && Object.fromEntries([first]);
    },
    summary: "the members that are sent (RFC 7396); null puts the initial value back",
  },
};

export function change(entity: EntityDeclaration, collection: string, how: keyof typeof changes): Operation {
  const { types, schema, example, summary } = changes[how];
  const body = media(schemaRef(schema(schemaName(entity))), example(entity));
  return {
    operationId: `${how}${schemaName(entity)}`,
    summary: `Changes one ${entity.name}: ${summary}`,
    tags: [entity.plural],
    parameters: [id, ifMatch, onlyIfNone, ...writing],
    requestBody: { required: true, content: Object.fromEntries(types.map((type) => [type, body])) },
    responses: {
      200: entityDocument(entity, `the ${entity.name} after the change`, written),
      ...problems([...WRITE, ...MEMBER, ...BODY], `${collection}/${EXAMPLE_ID}`),
    },
  };
}

export function remove(entity: EntityDeclaration, collection: string): Operation {
  return {
    operationId: `delete${schemaName(entity)}`,
    summary: `Deletes one ${entity.name}, here and in every replica`,
    tags: [entity.plural],
    parameters: [id, ifMatch, onlyIfNone, ...writing],
    responses: {
      204: { description: "it is gone; the headers name the tombstone's version", headers: written },
      // INVALID: the source's database may refuse, where another table refers to it.
      ...problems([...WRITE, ...MEMBER], `${collection}/${EXAMPLE_ID}`),
    },
  };
}
