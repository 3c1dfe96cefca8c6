/** Wires the console: page, HTTP API, event stream, conditions of the system, periodic verification. */

import { Connections, resolveAddresses } from "../operations/connect.ts";
import type { LoadRebuild } from "../pipeline/rebuild.ts";
import { createAuth } from "../platform/auth/guard.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { ConditionMonitor } from "./server/condition-monitor.ts";
import { measureDatabaseSizes } from "./server/database-sizes.ts";
import { addEvents } from "./server/http/events.ts";
import { guardChanges, requireKnownHost } from "./server/http/guard.ts";
import { addOperations } from "./server/http/operations.ts";
import { addPage } from "./server/http/page.ts";
import { addReads } from "./server/http/reads.ts";
import { addWrites } from "./server/http/writes.ts";
import { LiveFeed } from "./server/live/live-feed.ts";
import { startPeriodicVerification } from "./server/periodic-verification.ts";

/** Periodic verification waits this long for a replica to apply the latest commits, in seconds. */
const CATCH_UP_TIMEOUT_S = 30;
/** Interval between two checks whether a verification is due, and between two updates of the metrics. */
const POLL_INTERVAL_MS = 5_000;

/**
 * Starts the console. The returned service stops everything that this function started.
 *
 * @throws {CannotConnectError} when the settings do not name the databases.
 * @throws {SettingsError} when the console would listen on the network without authentication and no setting allows it.
 */
export async function startConsole(
  { project, settings, logger, metrics }: ServiceDeps,
  loadRebuild: LoadRebuild,
): Promise<Service> {
  const connections = new Connections(resolveAddresses(settings, "", project), logger);
  const monitor = new ConditionMonitor({ connections, project, metrics }, settings.LOCKSTEP_VERIFY_EVERY_S);
  const live = new LiveFeed({ connections, project, monitor, logger });
  // Basic as well as Bearer: a browser cannot add a header to a page or an event stream, but it sends a password.
  const auth = createAuth({ settings, metrics, logger }, { scopeOf: () => "lockstep:operate", basic: true });
  const app = serviceApp({ checks: [...auth.checks, ...monitor.checks], metrics, logger });
  const operations = settings.LOCKSTEP_CONSOLE_OPERATIONS;
  const stackData = settings.LOCKSTEP_STACK_DATA;
  const about = { operations, traceUrl: settings.LOCKSTEP_TRACE_UI_URL ?? null, stack: stackData !== undefined };
  // Runs before authentication: under a foreign host name the browser must not be asked for the password.
  app.use(requireKnownHost(settings.LOCKSTEP_CONSOLE_HOSTS));
  app.use(auth.guard);
  app.on("POST", "/api/*", guardChanges(operations));
  addPage(app);
  addReads(app, { connections, project, monitor, about });
  addEvents(app, live.hub);
  addWrites(app, { connections, project, tracer: live.tracer });
  addOperations(app, { connections, project, jobs: live.jobs, loadRebuild, stackData, onAction: live.onAction });
  const http = serveHttp(app, settings);
  logger.info({ listening: http.url }, "console is listening");

  const verification = startPeriodicVerification(
    { connections, project, metrics, logger },
    {
      everySeconds: settings.LOCKSTEP_VERIFY_EVERY_S,
      share: settings.LOCKSTEP_VERIFY_SHARE_PERCENT / 100,
      catchUpTimeoutSeconds: CATCH_UP_TIMEOUT_S,
      pollIntervalMs: POLL_INTERVAL_MS,
    },
  );
  const measurements = measureDatabaseSizes({ connections, metrics, logger }, POLL_INTERVAL_MS);
  const ended = Promise.withResolvers<void>();
  return {
    ended: ended.promise,
    async stop() {
      auth.close();
      await live.close();
      await http.stop();
      monitor.stop();
      await measurements.stop();
      await verification.stop();
      await connections[Symbol.asyncDispose]();
      ended.resolve();
    },
  };
}
