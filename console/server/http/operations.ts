/** Routes for operators: pauses, jobs and dead letters; and the faults that show how Lockstep recovers. */
import type { Hono } from "hono";
import { z } from "zod";
import { RequestError } from "../../../contracts/errors.ts";
import type { Project } from "../../../contracts/project.ts";
import type { Connections } from "../../../operations/connect.ts";
import { dropDeadLetters } from "../../../operations/dead-letters/drop.ts";
import { replayDeadLetters } from "../../../operations/dead-letters/replay.ts";
import { selectOpen } from "../../../operations/dead-letters/select.ts";
import { pausableServices, setPaused } from "../../../operations/pause/control.ts";
import type { LoadRebuild } from "../../../pipeline/rebuild.ts";
import { type Job, type JobRunner, jobKinds } from "../actions/jobs.ts";
import { killProcess } from "../actions/kill-process.ts";
import { deleteCacheKeys, pauseRedis } from "../actions/redis-outage.ts";
import { tamper } from "../actions/tamper.ts";
import { toHttpError } from "./http-error.ts";
import { findEntity, findId, idSchema, readJson } from "./request.ts";
import { startRebuild, startRepair, startVerification } from "./start-jobs.ts";

const REPLAY_PER_SECOND = 100;
/** Stored with a pause as its reason. */
const PAUSE_REASON = "from the console";

/** Collaborators of the operation routes. */
export interface OperationDeps {
  readonly connections: Connections;
  readonly project: Project;
  readonly jobs: JobRunner;
  readonly loadRebuild: LoadRebuild;
  /** Folder of the local stack; undefined when the console runs without one. */
  readonly stackData: string | undefined;
  /** Called after each action of a user: its name, the part it concerns (null: all), and a count where there is one. */
  readonly onAction: (action: string, name: string | null, count?: number) => void;
}

/** Adds `POST /api/pause`, `redis`, `kill`, `tamper`, `dead-letters`, `jobs` and `jobs/stop`. */
export function addOperations(app: Hono, deps: OperationDeps): void {
  addPauses(app, deps);
  addFaults(app, deps);
  addDeadLetterActions(app, deps);
  addJobs(app, deps);
}

function addPauses(app: Hono, { connections, project, onAction }: OperationDeps): void {
  const pauseSchema = z.strictObject({ name: z.enum(pausableServices(project)), paused: z.boolean() });
  app.post("/api/pause", async (c) => {
    const { name, paused } = await readJson(c.req.raw, pauseSchema);
    const changed = await toHttpError(async () =>
      setPaused({ log: await connections.log(), project }, name, paused, PAUSE_REASON),
    );
    if (changed) onAction(paused ? "pause" : "resume", name);
    return c.json({ name, paused, changed });
  });
}

const redisSchema = z.strictObject({ action: z.enum(["pause", "clear"]), seconds: z.int().min(1).max(15).default(8) });
const killSchema = z.strictObject({ name: z.string().max(64), instance: z.int().min(1).default(1) });

function addFaults(app: Hono, { connections, project, stackData, onAction }: OperationDeps): void {
  const replicaSchema = z.enum(project.replicaNames);
  const tamperSchema = z.strictObject({ entity: z.string(), id: idSchema, replica: replicaSchema });
  app.post("/api/redis", async (c) => {
    const { action, seconds } = await readJson(c.req.raw, redisSchema);
    const { redis } = connections.addresses;
    const count = action === "pause" ? seconds : await deleteCacheKeys(redis, project);
    if (action === "pause") await pauseRedis(redis, seconds * 1_000);
    onAction(`redis-${action}`, "redis", count);
    return c.json({ action, count });
  });
  app.post("/api/kill", async (c) => {
    const { name, instance } = await readJson(c.req.raw, killSchema);
    const pid = killProcess(stackData, name, instance);
    onAction("kill", name, pid);
    return c.json({ name, instance, pid }, 202);
  });
  app.post("/api/tamper", async (c) => {
    const { entity, id, replica } = await readJson(c.req.raw, tamperSchema);
    const declared = findEntity(project, entity);
    const field = await toHttpError(() =>
      tamper(connections.replica(replica), declared, replica, findId(declared, id)),
    );
    onAction("tamper", replica);
    return c.json({ replica, field });
  });
}

const deadLettersSchema = z.strictObject({
  action: z.enum(["replay", "drop"]),
  origins: z.array(z.string().max(300)).min(1).max(500),
});

function addDeadLetterActions(app: Hono, { connections, project, onAction }: OperationDeps): void {
  app.post("/api/dead-letters", async (c) => {
    const { action, origins } = await readJson(c.req.raw, deadLettersSchema);
    const context = { connections, project, progress: () => {}, print: () => {}, signal: c.req.raw.signal };
    const result = await toHttpError(async () => {
      const { open, skipped } = await selectOpen(context, origins, {});
      if (action === "drop") return { count: await dropDeadLetters(context, open), ...skipped };
      const deps = { log: () => connections.log(), source: () => connections.source(), signal: context.signal };
      const { replayed, ...rest } = await replayDeadLetters(deps, open, REPLAY_PER_SECOND, () => {});
      return { count: replayed, ...rest, ...skipped };
    });
    onAction(action, null, result.count);
    return c.json({ action, ...result });
  });
}

const jobSchema = ({ replicaNames }: Project) =>
  z.strictObject({ kind: z.enum(jobKinds), replica: z.enum(replicaNames).optional() });
const stopSchema = z.strictObject({ number: z.int() });

function addJobs(app: Hono, deps: OperationDeps): void {
  const schema = jobSchema(deps.project);
  app.post("/api/jobs", async (c) => {
    const job = startJob(deps, await readJson(c.req.raw, schema));
    deps.onAction(job.kind, job.name);
    return c.json(job, 202);
  });
  app.post("/api/jobs/stop", async (c) => {
    const { number } = await readJson(c.req.raw, stopSchema);
    deps.jobs.stop(number);
    return c.json({ number });
  });
}

/** @throws {RequestError} MALFORMED for a rebuild without a replica; CONFLICT when the same job is running. */
function startJob(deps: OperationDeps, { kind, replica }: z.output<ReturnType<typeof jobSchema>>): Job {
  switch (kind) {
    case "verify":
      return startVerification(deps);
    case "repair":
      return startRepair(deps);
    case "rebuild":
      if (replica === undefined)
        throw new RequestError("MALFORMED", `A rebuild needs a replica: ${deps.project.replicaNames.join(" or ")}.`);
      return startRebuild(deps, replica);
    default:
      return kind satisfies never;
  }
}
