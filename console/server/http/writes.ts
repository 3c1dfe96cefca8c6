/** Routes that send a write or a poison message, and start a trace of it through the log. */
import type { Hono } from "hono";
import { z } from "zod";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { keyOf } from "../../../contracts/entity/key.ts";
import { RequestError } from "../../../contracts/errors.ts";
import type { Project } from "../../../contracts/project.ts";
import type { Connections } from "../../../operations/connect.ts";
import { withTimeout } from "../../../platform/async/timeout.ts";
import { type GatewayResponse, type WriteRequest, writeThroughGateway } from "../actions/gateway-write.ts";
import { omitPrivateFields } from "../actions/newest-entities.ts";
import { type PoisonKind, poisonKinds, sendPoison } from "../actions/poison.ts";
import { hop, type TracedWrite } from "../trace/hops.ts";
import type { TopicEnds } from "../trace/traced-partitions.ts";
import type { WriteTracer } from "../trace/write-tracer.ts";
import { toHttpError } from "./http-error.ts";
import { findEntity, findId, idSchema, readJson } from "./request.ts";

/** A write waits at most this long for the ends of its topics; after that it is sent without a trace. */
const TOPIC_ENDS_TIMEOUT_MS = 1_000;

const writeSchema = z.strictObject({
  entity: z.string(),
  operation: z.enum(["create", "change", "delete"]),
  id: idSchema.optional(),
  version: z.int().min(1).optional(),
  document: z.record(z.string(), z.unknown()).optional(),
});
const poisonSchema = z.strictObject({ entity: z.string(), id: idSchema, kind: z.enum(poisonKinds) });

/** Collaborators of the write routes. */
export interface WriteDeps {
  readonly connections: Connections;
  readonly project: Project;
  readonly tracer: WriteTracer;
}

/** Adds `POST /api/writes` and `POST /api/poison`. */
export function addWrites(app: Hono, deps: WriteDeps): void {
  app.post("/api/writes", async (c) => {
    const request = await readJson(c.req.raw, writeSchema);
    const entity = findEntity(deps.project, request.entity);
    if ((request.operation === "create") === (request.id !== undefined))
      throw new RequestError("MALFORMED", "A create must have no id; a change or delete needs one.");
    // An unavailable log must not prevent the write; the page then cannot show its trace.
    const noEnds = () => new Error(`the log did not return the ends of the topics within ${TOPIC_ENDS_TIMEOUT_MS} ms`);
    const ends = await withTimeout(deps.tracer.topicEnds(entity), TOPIC_ENDS_TIMEOUT_MS, noEnds).catch(() => undefined);
    const target = request.id === undefined ? request : { ...request, id: findId(entity, request.id) };
    const response = await writeThroughGateway(deps.connections.addresses, entity, target, c.get("caller")?.token);
    // The console's own request succeeded: the gateway's error is its result.
    if (response.status >= 300) return c.json({ status: response.status, problem: response.body ?? {} });
    const id = target.id ?? keyOf(entity, response.body ?? {});
    const traced = ends && traceWrite(deps.tracer, entity, ends, { ...target, id }, response);
    const document = response.body && omitPrivateFields(entity, response.body);
    const { status, version } = response;
    return c.json({ status, number: traced?.number ?? null, id, version, document });
  });

  app.post("/api/poison", async (c) => {
    const { entity, id, kind } = await readJson(c.req.raw, poisonSchema);
    const declared = findEntity(deps.project, entity);
    const traced = await toHttpError(() => sendTracedPoison(deps, declared, findId(declared, id), kind));
    return c.json({ number: traced.number }, 202);
  });
}

function traceWrite(
  tracer: WriteTracer,
  entity: EntityDeclaration,
  ends: TopicEnds,
  { operation, id }: WriteRequest & { readonly id: EntityId },
  { version, startedMs, respondedMs, traceId }: GatewayResponse,
): TracedWrite {
  const write = { entity: entity.name, id, version, operation, startedMs, traceId };
  return tracer.trace(entity, ends, write, [hop("acknowledged", respondedMs, startedMs)]);
}

async function sendTracedPoison(
  { connections, tracer }: WriteDeps,
  entity: EntityDeclaration,
  id: string,
  kind: PoisonKind,
): Promise<TracedWrite> {
  const startedMs = Date.now();
  const ends = await tracer.topicEnds(entity);
  const servers = { source: connections.source(), log: await connections.log() };
  const { version, record, atMs } = await sendPoison(servers, entity, id, kind);
  const write = { entity: entity.name, id, version, operation: "poison" as const, startedMs, traceId: null };
  return tracer.trace(entity, ends, write, [hop("published", atMs, startedMs, { record })]);
}
