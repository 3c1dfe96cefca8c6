/** `POST /api/writes` and `POST /api/poison`: what begins a way through all of it, followed from then on. */
import type { Hono } from "hono";
import { z } from "zod";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import { RequestError } from "../../../contracts/errors.ts";
import type { Connections } from "../../../operations/connect.ts";
import { readBody } from "../../../platform/http/body.ts";
import { type WriteAnswer, type WriteRequest, write } from "../actions/gateway-write.ts";
import { withoutPrivate } from "../actions/newest-entities.ts";
import { poison, poisons } from "../actions/poison.ts";
import { hop, type TracedWrite } from "../trace/hops.ts";
import { answeredHop, type Ends, type WriteTrace } from "../trace/write-tracer.ts";
import { toHttpError } from "./http-error.ts";
import { entityOf } from "./reads.ts";

const TYPES = ["application/json"];
const MAX_BYTES = 262_144;
/** Longest that a write is held up to learn where its topics end, in milliseconds. */
const BEGIN_MS = 1_000;

export const json = <T extends z.ZodObject>(request: Request, schema: T): Promise<z.output<T>> =>
  readBody(request, { schema, types: TYPES, maxBytes: MAX_BYTES }) as Promise<z.output<T>>;

const id = z.guid().transform((given) => given.toLowerCase());
const document = z.record(z.string(), z.unknown());
const version = z.int().min(1);
const wishSchema = z.strictObject({
  entity: z.string(),
  operation: z.enum(["create", "change", "delete"]),
  id: id.optional(),
  version: version.optional(),
  document: document.optional(),
});
const poisonSchema = z.strictObject({ entity: z.string(), id, kind: z.enum(poisons) });

export interface WriteParts {
  readonly connections: Connections;
  readonly follow: WriteTrace;
}

export function addWrites(app: Hono, deps: WriteParts): void {
  app.post("/api/writes", async (c) => {
    const wish = await json(c.req.raw, wishSchema);
    const entity = entityOf(wish.entity);
    if ((wish.operation === "create") === (wish.id !== undefined))
      throw new RequestError("MALFORMED", "What is created has no id yet; what is changed or deleted has one.");
    // A log that is away keeps nobody from writing; only the way cannot be shown then.
    const ends = await Promise.race([
      deps.follow.begin(entity).catch(() => undefined),
      Bun.sleep(BEGIN_MS).then(() => undefined),
    ]);
    const answered = await write(deps.connections.addresses, entity, wish, c.get("caller")?.token);
    // The console did what it was asked to: the gateway's refusal is the answer, and no failure of this request.
    if (answered.status >= 300) return c.json({ status: answered.status, problem: answered.body ?? {} });
    const followed = ends && followWrite(deps.follow, entity, ends, wish, answered);
    const body = answered.body && withoutPrivate(entity, answered.body);
    return c.json({ status: answered.status, number: followed?.number ?? null, document: body });
  });

  app.post("/api/poison", async (c) => {
    const asked = await json(c.req.raw, poisonSchema);
    const entity = entityOf(asked.entity);
    const followed = await toHttpError(() => followPoison(deps, entity, asked.id, asked.kind));
    return c.json({ number: followed.number }, 202);
  });
}

function followWrite(
  follow: WriteTrace,
  entity: EntityDeclaration,
  ends: Ends,
  wish: WriteRequest,
  answered: WriteAnswer,
): TracedWrite {
  const { startedMs, answeredMs, traceId, version } = answered;
  const id = wish.id ?? String(answered.body?.id);
  const about = { entity: entity.name, id, version, operation: wish.operation, startedMs, traceId };
  return follow.start(entity, ends, about, [answeredHop(startedMs, answeredMs)]);
}

async function followPoison(
  { connections, follow }: WriteParts,
  entity: EntityDeclaration,
  id: string,
  kind: (typeof poisons)[number],
): Promise<TracedWrite> {
  const startedMs = Date.now();
  const ends = await follow.begin(entity);
  const { version, place, atMs } = await poison(
    { source: connections.source(), log: await connections.log() },
    entity,
    id,
    kind,
  );
  const about = { entity: entity.name, id, version, operation: "poison" as const, startedMs, traceId: null };
  return follow.start(entity, ends, about, [hop("published", null, atMs, startedMs, null, place)]);
}
