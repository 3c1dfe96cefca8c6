/** The description of the gateway's HTTP API, beside its routes: made from the same declarations. Pure. */
import { z } from "zod";
import { entities } from "../contracts/entities/index.ts";
import { documentSchema, type EntityDeclaration, inputSchema, patchSchema } from "../contracts/entity.ts";
import type { ErrorCode } from "../contracts/errors.ts";
import { EXAMPLE_ID, exampleDocument } from "../contracts/example.ts";
import { capitalised, schemaRef } from "../contracts/json-schema.ts";
import { type OpenApi, openApi, type Paths } from "../platform/openapi/document.ts";
import {
  headers,
  id,
  ifMatch,
  ifNoneMatch,
  inHeader,
  onlyIfNone,
  page,
  prefer,
  syncToken,
  traceparent,
} from "../platform/openapi/headers.ts";
import {
  type Answer,
  type Header,
  json,
  media,
  type Operation,
  problems,
  text,
} from "../platform/openapi/operation.ts";
import { description } from "../platform/openapi/service-paths.ts";
import { KEY } from "./idempotency.ts";
import { JSON_TYPES, PATCH_TYPES } from "./routes.ts";
import { scopeOf } from "./scope.ts";

/** What can go wrong with any request that reaches the source. */
const ANY: readonly ErrorCode[] = ["MALFORMED", "INTERNAL", "UNAVAILABLE"];
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
    description: "how the wait went in each replica: milliseconds, or that it is behind",
    schema: text(/^[\w-]+;(behind|ms=\d+)(, [\w-]+;(behind|ms=\d+))*$/),
  },
};

const writing = [
  inHeader("Idempotency-Key", "a write that is repeated with its key is carried out once", text(KEY)),
  syncToken("the answer's token covers them too"),
  prefer('how long to wait until the replicas have it; wait=2; replicas="catalog" waits for that one'),
  traceparent,
];

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

const bearer = {
  type: "http",
  scheme: "bearer",
  bearerFormat: "JWT",
  description: "Asked for where LOCKSTEP_AUTH=jwt. The roles named beside it are scopes of the token.",
};

const challenge: Header = { description: "what token is needed (RFC 6750)", required: true, schema: text(/^Bearer /) };

/** What stands behind the guard: all but health and metrics. */
function guarded(paths: Paths): Paths {
  const refusals = (path: string) =>
    problems(["UNAUTHENTICATED", "FORBIDDEN", "UNAVAILABLE"], path.replace("{id}", EXAMPLE_ID), {
      UNAUTHENTICATED: { "WWW-Authenticate": challenge },
      FORBIDDEN: { "WWW-Authenticate": challenge },
    });
  const guard = (path: string, method: string, operation: Operation): Operation => ({
    ...operation,
    security: [{ bearer: [scopeOf(method.toUpperCase())] }],
    responses: { ...refusals(path), ...operation.responses },
  });
  return Object.fromEntries(
    Object.entries(paths).map(([path, methods]) => [
      path,
      Object.fromEntries(Object.entries(methods).map(([method, of]) => [method, guard(path, method, of)])),
    ]),
  );
}

const nameOf = ({ name }: EntityDeclaration): string => capitalised(name);

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

/** The answer with the document. */
const whole = (entity: EntityDeclaration, description: string, more: Answer["headers"]): Answer => ({
  description,
  headers: { ETag: headers.etag, ...more },
  content: json(schemaRef(nameOf(entity)), exampleDocument(entity)),
});

function list(entity: EntityDeclaration, path: string): Operation {
  const example = exampleDocument(entity);
  return {
    operationId: `list${capitalised(entity.plural)}`,
    summary: `A page of ${entity.plural}, in the order of their ids`,
    tags: [entity.plural],
    parameters: [...page, traceparent],
    responses: {
      200: {
        description: "a page",
        headers: { Link: headers.link, "Cache-Control": headers.noCache },
        content: json(schemaRef(`${nameOf(entity)}Page`), example && { items: [example], nextCursor: null }),
      },
      ...problems(ANY, path),
    },
  };
}

function read(entity: EntityDeclaration, collection: string): Operation {
  return {
    operationId: `read${nameOf(entity)}`,
    summary: `One ${entity.name}, private fields too`,
    tags: [entity.plural],
    parameters: [id, ifNoneMatch, traceparent],
    responses: {
      200: whole(entity, `the ${entity.name}`, { "Cache-Control": headers.noCache }),
      304: {
        description: "the client has this version",
        headers: { ETag: headers.etag, "Cache-Control": headers.noCache },
      },
      ...problems([...ANY, "NOT_FOUND"], `${collection}/${EXAMPLE_ID}`),
    },
  };
}

function create(entity: EntityDeclaration, collection: string): Operation {
  const location: Header = {
    description: `where the ${entity.name} is`,
    required: true,
    schema: { type: "string", format: "uri-reference" },
  };
  return {
    operationId: `create${nameOf(entity)}`,
    summary: `Makes a new ${entity.name}`,
    tags: [entity.plural],
    parameters: writing,
    requestBody: { required: true, content: json(schemaRef(`New${nameOf(entity)}`), entity.example) },
    responses: {
      201: whole(entity, `the new ${entity.name}`, { Location: location, ...written }),
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

function change(entity: EntityDeclaration, collection: string, how: keyof typeof changes): Operation {
  const { types, schema, example, summary } = changes[how];
  const body = media(schemaRef(schema(nameOf(entity))), example(entity));
  return {
    operationId: `${how}${nameOf(entity)}`,
    summary: `Changes one ${entity.name}: ${summary}`,
    tags: [entity.plural],
    parameters: [id, ifMatch, onlyIfNone, ...writing],
    requestBody: { required: true, content: Object.fromEntries(types.map((type) => [type, body])) },
    responses: {
      200: whole(entity, `the ${entity.name} after the change`, written),
      ...problems([...WRITE, ...MEMBER, ...BODY], `${collection}/${EXAMPLE_ID}`),
    },
  };
}

function remove(entity: EntityDeclaration, collection: string): Operation {
  return {
    operationId: `delete${nameOf(entity)}`,
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
