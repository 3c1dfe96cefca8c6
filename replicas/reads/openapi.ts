/** The description of one replica's HTTP API, beside its routes: made from the same declarations. Pure. */
import type { z } from "zod";
import { EXAMPLE_ID, exampleForReplica } from "../../contracts/entity/example.ts";
import { capitalize, schemaRef } from "../../contracts/entity/json-schema.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";
import type { ErrorCode } from "../../contracts/errors.ts";
import { headers, id, ifNoneMatch, page, prefer, syncToken, traceparent } from "../../pipeline/openapi-headers.ts";
import { type OpenApi, openApi, type Paths, pageSchema } from "../../platform/openapi/document.ts";
import { type Header, json, type Operation, problems, text } from "../../platform/openapi/operation.ts";
import { isReplicated, keptBy, type ReplicatedEntity } from "../replica.ts";

const ANY: readonly ErrorCode[] = ["MALFORMED", "INTERNAL", "UNAVAILABLE", "BEHIND"];

const lag: Header = {
  description: "milliseconds that this replica may be behind; left out while that is not known",
  schema: text(/^\d+$/),
};
const cacheStatus: Header = { description: "how the cache did (RFC 9211)", required: true, schema: text() };
const told = { "Lockstep-Lag": lag, "Preference-Applied": headers.preferenceApplied };
const answered = { ...told, "Cache-Status": cacheStatus, "Cache-Control": headers.noCache };

const reading = [
  syncToken("the answer is at least as fresh as these writes"),
  prefer("how long to wait for that, instead of the replica's own bound"),
  traceparent,
];

/** @throws {Error} when no entity has the replica. */
export function replicaOpenApi(name: string): OpenApi {
  const kept = keptBy(name).filter(isReplicated);
  return openApi({
    title: `Lockstep replica ${name}`,
    description: "Reads of what this replica keeps. Writes go to the gateway.",
    paths: Object.assign({}, ...kept.map(pathsOf)),
    schemas: Object.assign({}, ...kept.map(schemasOf)),
  });
}

const schemaName = ({ entity: { name } }: ReplicatedEntity): string => capitalize(name);

function schemasOf(kept: ReplicatedEntity): Record<string, z.ZodType> {
  const document = documentSchema(kept.replica);
  return {
    [schemaName(kept)]: document,
    [`${schemaName(kept)}Page`]: pageSchema(document),
  };
}

function pathsOf(kept: ReplicatedEntity): Paths {
  const collection = `/${kept.entity.plural}`;
  return {
    [collection]: { get: list(kept, collection) },
    [`${collection}/{id}`]: { get: read(kept, `${collection}/${EXAMPLE_ID}`) },
  };
}

function list(kept: ReplicatedEntity, path: string): Operation {
  const { entity, replica } = kept;
  const example = exampleForReplica(entity, replica);
  return {
    operationId: `list${capitalize(entity.plural)}`,
    summary: `A page of the replica's ${entity.plural}, in the order of their ids`,
    tags: [entity.plural],
    parameters: [...page, ...reading],
    responses: {
      200: {
        description: "a page, read from PostgreSQL",
        headers: { Link: headers.link, ...answered },
        content: json(schemaRef(`${schemaName(kept)}Page`), example && { items: [example], nextCursor: null }),
      },
      ...problems(ANY, path, { BEHIND: told }),
    },
  };
}

function read(kept: ReplicatedEntity, path: string): Operation {
  const { entity, replica } = kept;
  return {
    operationId: `read${schemaName(kept)}`,
    summary: `One ${entity.name}, as this replica keeps it`,
    tags: [entity.plural],
    parameters: [id, ifNoneMatch, ...reading],
    responses: {
      200: {
        description: `the ${entity.name}, from the cache or PostgreSQL`,
        headers: { ETag: headers.etag, ...answered },
        content: json(schemaRef(schemaName(kept)), exampleForReplica(entity, replica)),
      },
      304: { description: "the client has this version", headers: { ETag: headers.etag, ...answered } },
      // An id that cannot exist is refused before the cache is asked.
      ...problems([...ANY, "NOT_FOUND"], path, {
        BEHIND: told,
        NOT_FOUND: { ...told, "Cache-Status": { ...cacheStatus, required: false } },
      }),
    },
  };
}
