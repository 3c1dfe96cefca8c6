/** The console: a page that shows everything and follows single writes, the same over HTTP, and verification at a set pace. */

import { Connections, resolveAddresses } from "../operations/connect.ts";
import type { Rebuilding } from "../operations/rebuild/rebuild.ts";
import { createAuth } from "../platform/auth/guard.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { watchServices } from "./server/external-metrics.ts";
import { addStream } from "./server/http/events.ts";
import { changesOnly, ownHostOnly } from "./server/http/guard.ts";
import { addOperations } from "./server/http/operations.ts";
import { addPage } from "./server/http/page.ts";
import { addReads } from "./server/http/reads.ts";
import { addWrites } from "./server/http/writes.ts";
import { Live } from "./server/live/live-feed.ts";
import { startPeriodicVerification } from "./server/periodic-verification.ts";

/** How long a replica may take to hear of what was just committed, in seconds: nobody waits for this verification. */
const WITHIN_S = 30;
/** How often the console looks whether a verification is due, and brings its metrics up to date. */
const LOOK_EVERY_MS = 5_000;

/**
 * @throws {CannotConnectError} when the settings do not say where the databases are.
 * @throws {SettingsError} when it would be open to the network unasked.
 */
export async function startConsole(
  { settings, logger, metrics }: ServiceDeps,
  rebuilding: Rebuilding,
): Promise<Service> {
  const connections = new Connections(resolveAddresses(settings, ""), logger);
  const live = new Live(connections, logger);
  // A browser can put no header of its own on a page or an event stream, but it can send a password.
  const auth = createAuth({ settings, metrics, logger }, { scopeOf: () => "lockstep:operate", basic: true });
  const app = serviceApp({ checks: auth.checks, metrics, logger });
  const operations = settings.LOCKSTEP_CONSOLE_OPERATIONS;
  const stackData = settings.LOCKSTEP_STACK_DATA;
  const about = { operations, traceUrl: settings.LOCKSTEP_TRACE_UI_URL ?? null, stack: stackData !== undefined };
  // A name that is not ours is not even asked for a password, which a page under that name would then have.
  app.use(ownHostOnly(settings.LOCKSTEP_CONSOLE_HOSTS));
  app.use(auth.guard);
  app.on("POST", "/api/*", changesOnly(operations));
  addPage(app);
  addReads(app, { connections, about });
  addStream(app, live.hub);
  addWrites(app, { connections, follow: live.follow });
  addOperations(app, { connections, jobs: live.jobs, rebuilding, stackData, onAction: live.onAction });
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
  const outside = watchServices({ connections, metrics, logger }, LOOK_EVERY_MS);
  const ended = Promise.withResolvers<void>();
  return {
    ended: ended.promise,
    async stop() {
      auth.close();
      await live.close();
      await http.stop();
      await outside.stop();
      await periodic.stop();
      await connections[Symbol.asyncDispose]();
      ended.resolve();
    },
  };
}
