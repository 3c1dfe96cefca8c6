/** The console's service: tells over HTTP what the verbs tell, and verifies by itself at a set pace. */
import { entities } from "../../contracts/entities/index.ts";
import { LockstepError } from "../../contracts/errors.ts";
import { serveHttp, serviceApp } from "../../platform/http.ts";
import { isId } from "../../platform/pages.ts";
import type { Running } from "../../platform/run.ts";
import type { Service } from "../../platform/service.ts";
import { addressesOf, Connections } from "../connect.ts";
import { gatherJourney, isKnown } from "../journey/gather.ts";
import { gatherStatus } from "../status/gather.ts";
import { watchFromOutside } from "./outside.ts";
import { startPeriodicVerification } from "./periodic.ts";

/** How long a replica may take to hear of what was just committed, in seconds: nobody waits for this verification. */
const WITHIN_S = 30;
/** How often the console looks whether a verification is due, and brings its metrics up to date. */
const LOOK_EVERY_MS = 5_000;

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

  const periodic = startPeriodicVerification(
    { connections, metrics, logger },
    {
      everySeconds: settings.LOCKSTEP_VERIFY_EVERY_S,
      share: settings.LOCKSTEP_VERIFY_SHARE_PERCENT / 100,
      withinSeconds: WITHIN_S,
      lookEveryMs: LOOK_EVERY_MS,
    },
  );
  const outside = watchFromOutside({ connections, metrics, logger }, LOOK_EVERY_MS);
  const ended = Promise.withResolvers<void>();
  return {
    ended: ended.promise,
    async stop() {
      await http.stop();
      await outside.stop();
      await periodic.stop();
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
