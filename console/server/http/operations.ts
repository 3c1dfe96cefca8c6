/** `POST /api/…`: what an operator does, and what shows how Lockstep heals. */
import type { Hono } from "hono";
import { z } from "zod";
import { replicaNames } from "../../../contracts/entities/index.ts";
import { RequestError } from "../../../contracts/errors.ts";
import type { Connections } from "../../../operations/connect.ts";
import { dropDeadLetters } from "../../../operations/dead-letters/drop.ts";
import { replayDeadLetters } from "../../../operations/dead-letters/replay.ts";
import { selectOpen } from "../../../operations/dead-letters/select.ts";
import { pausableServices, setPaused } from "../../../operations/pause/control.ts";
import type { Rebuilding } from "../../../operations/rebuild/rebuild.ts";
import { type Job, type Jobs, jobKinds } from "../actions/jobs.ts";
import { kill } from "../actions/kill-process.ts";
import { forget, silence } from "../actions/redis-outage.ts";
import { tamper } from "../actions/tamper.ts";
import { toHttpError } from "./http-error.ts";
import { entityOf } from "./reads.ts";
import { startRebuild, startRepair, startVerification } from "./start-jobs.ts";
import { json } from "./writes.ts";

const REPLAYED_PER_SECOND = 100;
const REASON = "from the console";

export interface OperationParts {
  readonly connections: Connections;
  readonly jobs: Jobs;
  readonly rebuilding: Rebuilding;
  readonly stackData: string | undefined;
  /** Told what was done, with the name of whom it was done to. */
  readonly onAction: (act: string, name: string | null, count?: number) => void;
}

export function addOperations(app: Hono, deps: OperationParts): void {
  addPauses(app, deps);
  addBreaks(app, deps);
  addLetterActs(app, deps);
  addJobs(app, deps);
}

function addPauses(app: Hono, { connections, onAction }: OperationParts): void {
  const schema = z.strictObject({ name: z.enum(pausableServices), paused: z.boolean() });
  app.post("/api/pause", async (c) => {
    const { name, paused } = await json(c.req.raw, schema);
    const changed = await toHttpError(async () => setPaused(await connections.log(), name, paused, REASON));
    if (changed) onAction(paused ? "pause" : "resume", name);
    return c.json({ name, paused, changed });
  });
}

const redisSchema = z.strictObject({ act: z.enum(["silence", "forget"]), seconds: z.int().min(1).max(15).default(8) });
const killSchema = z.strictObject({ name: z.string().max(64), instance: z.int().min(1).default(1) });
const tamperSchema = z.strictObject({ entity: z.string(), id: z.guid(), replica: z.enum(replicaNames) });

function addBreaks(app: Hono, { connections, stackData, onAction }: OperationParts): void {
  app.post("/api/redis", async (c) => {
    const { act, seconds } = await json(c.req.raw, redisSchema);
    const { redis } = connections.addresses;
    const count = act === "silence" ? seconds : await forget(redis);
    if (act === "silence") await silence(redis, seconds * 1_000);
    onAction(`redis-${act}`, "redis", count);
    return c.json({ act, count });
  });
  app.post("/api/kill", async (c) => {
    const { name, instance } = await json(c.req.raw, killSchema);
    const pid = kill(stackData, name, instance);
    onAction("kill", name, pid);
    return c.json({ name, instance, pid }, 202);
  });
  app.post("/api/tamper", async (c) => {
    const { entity, id, replica } = await json(c.req.raw, tamperSchema);
    const field = await toHttpError(() => tamper(connections.replica(replica), entityOf(entity), replica, id));
    onAction("tamper", replica);
    return c.json({ replica, field });
  });
}

const lettersSchema = z.strictObject({
  act: z.enum(["replay", "drop"]),
  origins: z.array(z.string().max(300)).min(1).max(500),
});

function addLetterActs(app: Hono, { connections, onAction }: OperationParts): void {
  app.post("/api/dead-letters", async (c) => {
    const { act, origins } = await json(c.req.raw, lettersSchema);
    const context = { connections, progress: () => {}, signal: c.req.raw.signal };
    const result = await toHttpError(async () => {
      const { open, skipped } = await selectOpen(context, origins, {});
      if (act === "drop") return { count: await dropDeadLetters(context, open), ...skipped };
      const deps = { log: await connections.log(), source: () => connections.source(), signal: context.signal };
      const { replayed, impossible } = await replayDeadLetters(deps, open, REPLAYED_PER_SECOND, () => {});
      return { count: replayed, impossible, ...skipped };
    });
    onAction(act, null, result.count);
    return c.json({ act, ...result });
  });
}

const jobSchema = z.strictObject({ kind: z.enum(jobKinds), replica: z.enum(replicaNames).optional() });

function addJobs(app: Hono, deps: OperationParts): void {
  app.post("/api/jobs", async (c) => {
    const job = startJob(deps, await json(c.req.raw, jobSchema));
    deps.onAction(job.kind, job.name);
    return c.json(job, 202);
  });
  app.post("/api/jobs/stop", async (c) => {
    const { number } = await json(c.req.raw, z.strictObject({ number: z.int() }));
    deps.jobs.stop(number);
    return c.json({ number });
  });
}

/** @throws {RequestError} MALFORMED for a rebuild of nothing; CONFLICT when one runs already. */
function startJob(deps: OperationParts, { kind, replica }: z.output<typeof jobSchema>): Job {
  switch (kind) {
    case "verify":
      return startVerification(deps);
    case "repair":
      return startRepair(deps);
    case "rebuild":
      if (replica === undefined) throw new RequestError("MALFORMED", "Say which replica is to be rebuilt.");
      return startRebuild(deps, replica);
    default:
      return kind satisfies never;
  }
}
