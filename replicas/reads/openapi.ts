/** The OpenAPI document of one replica, made from the same declarations as its routes. Pure. */
import type { z } from "zod";
import { exampleForReplica, exampleId } from "../../contracts/entity/example.ts";
import { capitalize, schemaRef } from "../../contracts/entity/json-schema.ts";
import { pathSegment } from "../../contracts/entity/key.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";
import type { ErrorCode } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { headers, idOf, ifNoneMatch, page, prefer, syncToken, traceparent } from "../../pipeline/openapi-headers.ts";
import { type OpenApi, openApi, type Paths, pageSchema } from "../../platform/openapi/document.ts";
import { type Header, json, type Operation, problems, text } from "../../platform/openapi/operation.ts";
import { isPublic, type ReplicatedEntity, replicatedEntities } from "../replicated-entities.ts";

const COMMON_ERRORS: readonly ErrorCode[] = ["MALFORMED", "INTERNAL", "UNAVAILABLE", "BEHIND"];

const lag: Header = {
  description: "upper bound of how far this replica is behind, in milliseconds; absent while that is unknown",
  schema: text(/^\d+$/),
};
const cacheStatus: Header = { description: "what the cache did (RFC 9211)", required: true, schema: text() };
const always = { "Lockstep-Lag": lag, "Preference-Applied": headers.preferenceApplied };
const onSuccess = { ...always, "Cache-Status": cacheStatus, "Cache-Control": headers.noCache };

const parameters = [
  syncToken("the answer is at least as new as these writes"),
  prefer("how long to wait for these writes, instead of the replica's default"),
  traceparent,
];

/** The OpenAPI document of a replica. @throws {Error} when no entity has the replica. */
export function replicaOpenApi(project: Pick<Project, "allEntities">, name: string): OpenApi {
  const entities = replicatedEntities(project, name).filter(isPublic);
  return openApi({
    title: `Lockstep replica ${name}`,
    description: "Reads of this replica. Writes go to the gateway.",
    paths: Object.assign({}, ...entities.map(pathsOf)),
    schemas: Object.assign({}, ...entities.map(schemasOf)),
  });
}

const schemaName = ({ entity: { name } }: ReplicatedEntity): string => capitalize(name);

function schemasOf(replicated: ReplicatedEntity): Record<string, z.ZodType> {
  const document = documentSchema(replicated.replica);
  return {
    [schemaName(replicated)]: document,
    [`${schemaName(replicated)}Page`]: pageSchema(document),
  };
}

function pathsOf(replicated: ReplicatedEntity): Paths {
  const collection = `/${replicated.entity.plural}`;
  return {
    [collection]: { get: list(replicated, collection) },
    [`${collection}/{id}`]: { get: read(replicated, `${collection}/${pathSegment(exampleId(replicated.entity))}`) },
  };
}

function list(replicated: ReplicatedEntity, path: string): Operation {
  const { entity, replica } = replicated;
  const example = exampleForReplica(entity, replica);
  return {
    operationId: `list${capitalize(entity.plural)}`,
    summary: `A page of the replica's ${entity.plural}, in the order of their ids`,
    tags: [entity.plural],
    parameters: [...page, ...parameters],
    responses: {
      200: {
        description: "a page, read from PostgreSQL",
        headers: { Link: headers.link, ...onSuccess },
        content: json(schemaRef(`${schemaName(replicated)}Page`), example && { items: [example], nextCursor: null }),
      },
      ...problems(COMMON_ERRORS, path, { BEHIND: always }),
    },
  };
}

function read(replicated: ReplicatedEntity, path: string): Operation {
  const { entity, replica } = replicated;
  return {
    operationId: `read${schemaName(replicated)}`,
    summary: `One ${entity.name} of this replica`,
    tags: [entity.plural],
    parameters: [idOf(replicated.entity), ifNoneMatch, ...parameters],
    responses: {
      200: {
        description: `the ${entity.name}, from the cache or PostgreSQL`,
        headers: { ETag: headers.etag, ...onSuccess },
        content: json(schemaRef(schemaName(replicated)), exampleForReplica(entity, replica)),
      },
      304: { description: "the client has this version", headers: { ETag: headers.etag, ...onSuccess } },
      // An id that is no UUID is rejected before the cache is read, so Cache-Status may be absent.
      ...problems([...COMMON_ERRORS, "NOT_FOUND"], path, {
        BEHIND: always,
        NOT_FOUND: { ...always, "Cache-Status": { ...cacheStatus, required: false } },
      }),
    },
  };
}
