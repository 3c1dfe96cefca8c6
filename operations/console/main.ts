/** The console's service: tells over HTTP what the verbs tell, and verifies by itself at a set pace. */
import { Redis } from "ioredis";
import { entities } from "../../contracts/entities/index.ts";
import { LockstepError } from "../../contracts/errors.ts";
import { serveHttp, serviceApp } from "../../platform/http.ts";
import { isId } from "../../platform/pages.ts";
import type { Running } from "../../platform/run.ts";
import type { Service } from "../../platform/service.ts";
import { addressesOf, Connections } from "../connect.ts";
import { gatherJourney, isKnown } from "../journey/gather.ts";
import { gatherStatus } from "../status/gather.ts";
import { remember } from "../verify/results.ts";
import { verify } from "../verify/verify.ts";
import { PeriodicVerification } from "./periodic.ts";

/** Part of the time that the source may be busy with the verification that nobody asked for. */
const SHARE = 0.05;
const WITHIN_MS = 30_000;

/** @throws {CannotConnectError} when the settings do not say where the databases are. */
export async function startConsole({ settings, logger, metrics }: Running): Promise<Service> {
  const connections = new Connections(addressesOf(settings, ""), logger);
  const app = serviceApp({ checks: [], metrics, logger });
  app.get("/api/status", async (c) => c.json(await there(() => gatherStatus(connections))));
  app.get("/api/journey/:id", async (c) => {
    const id = (c.req.param("id") ?? "").toLowerCase();
    if (!isId(id)) throw new LockstepError("NOT_FOUND", "Ids are UUIDs.");
    const journeys = await there(() => Promise.all(entities.map((entity) => gatherJourney(connections, entity, id))));
    return c.json({ journeys: journeys.filter(isKnown) });
  });
  const http = serveHttp(app, settings);
  logger.info({ listening: http.url }, "console is up");

  const periodic =
    settings.LOCKSTEP_VERIFY_EVERY_S > 0
      ? new PeriodicVerification({ logger, metrics, everyMs: settings.LOCKSTEP_VERIFY_EVERY_S * 1_000 }, (signal) =>
          verifyAll(connections, signal),
        )
      : undefined;
  const ended = Promise.withResolvers<void>();
  return {
    ended: ended.promise,
    async stop() {
      await http.stop();
      await periodic?.stop();
      await connections[Symbol.asyncDispose]();
      ended.resolve();
    },
  };
}

/** @throws {LockstepError} UNAVAILABLE when something that must be asked does not answer. */
async function there<T>(gather: () => Promise<T>): Promise<T> {
  try {
    return await gather();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LockstepError("UNAVAILABLE", `A part that is asked does not answer: ${why}`, { cause });
  }
}

async function verifyAll(connections: Connections, signal: AbortSignal) {
  const url = connections.addresses.redis;
  const redis = url === undefined ? undefined : new Redis(url, { maxRetriesPerRequest: 1 });
  redis?.on("error", () => {}); // the command that fails tells
  try {
    const source = connections.source();
    const parts = { source, replica: (name: string) => connections.replica(name), log: await connections.log(), redis };
    const all = [];
    for (const entity of entities) {
      const replicas = entity.replicas.filter(({ name }) => connections.addresses.replicas.has(name));
      const options = { share: SHARE, withinMs: WITHIN_MS, signal, onProgress: () => {} };
      const verified = await verify(parts, entity, replicas, options);
      await remember(source, verified);
      all.push(...verified);
    }
    return all;
  } finally {
    redis?.disconnect();
  }
}
