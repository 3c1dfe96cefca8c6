/** Wires the relay: its session in the source's PostgreSQL, the log, its small HTTP port. */
import { hostname } from "node:os";
import { allEntities } from "../contracts/entities/index.ts";
import { connectLog } from "../kafka/connect-log.ts";
import { brokerOptions } from "../kafka/security.ts";
import { ensureFlowTopics } from "../pipeline/ensure-topics.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import { connectDedicated } from "../platform/postgres/connect.ts";
import { type Migration, migrate } from "../platform/postgres/migrate.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { startCanary } from "./canary.ts";
import { LeaderLock } from "./leader-lock.ts";
import { Outbox } from "./outbox.ts";
import { Publisher } from "./publisher.ts";
import { Relay } from "./relay.ts";

const DEPTH_EVERY_MS = 1_000;
const CLEAN_EVERY_MS = 1_000;
/** So many deleted rows are worth a vacuum, which takes some milliseconds. */
const CLEAN_ROWS = 500;

/** @throws {Error} when DATABASE_URL is missing, or the database or brokers cannot be reached at the start. */
export async function startRelay(
  { settings, logger, metrics }: ServiceDeps,
  sourceMigrations: readonly Migration[],
): Promise<Service> {
  const url = settings.DATABASE_URL;
  if (!url) throw new Error("DATABASE_URL is not set: the relay needs the source's PostgreSQL");
  let state: "starting" | "standing by" | "leading" = "starting";
  const app = serviceApp({
    checks: [
      { name: "lead", problem: () => (state === "starting" ? "the source or the log is not reached yet" : undefined) },
    ],
    metrics,
    logger,
  });
  const http = serveHttp(app, settings);
  await migrate(url, sourceMigrations, logger);
  const log = await connectLog({ ...brokerOptions(settings), clientId: "lockstep-relay", logger });
  await ensureFlowTopics(log, settings);

  const ended = Promise.withResolvers<void>();
  const session = connectDedicated(url, "lockstep-relay", () =>
    ended.reject(new Error("the relay's database session ended")),
  );
  // A lost acknowledgement is found again by reading the log back, so it need not wait for the disk.
  const [boot] = await session<{ tracked: boolean }[]>`
    select set_config('synchronous_commit', 'off', false), current_setting('track_commit_timestamp')::boolean as tracked`;
  const outbox = new Outbox(session, boot!.tracked);
  const leader = new LeaderLock(session, `${settings.LOCKSTEP_INSTANCE ?? hostname()} (pid ${process.pid})`);
  let stopping = false;
  let relay: Relay | undefined;

  const lead = async () => {
    state = "standing by";
    if (!(await leader.lead(() => stopping))) return;
    state = "leading";
    logger.info("leading");
    leader.keepBeating(ended.reject);
    const publisher = new Publisher(log, allEntities, await outbox.positions());
    relay = new Relay(
      { outbox, leader, publisher, logger, metrics },
      { batch: settings.LOCKSTEP_RELAY_BATCH, pollMs: settings.LOCKSTEP_RELAY_POLL_MS },
    );
    if (stopping) relay.stop(); // asked to while there was no relay yet
    const listening = connectDedicated(url, "lockstep-relay-listen", () => {});
    // On a new connection anything may have been missed: `onlisten` wakes the relay as a notification does.
    await listening.listen(
      "lockstep_outbox",
      () => relay!.notify(),
      () => relay!.notify(),
    );
    const depth = setInterval(() => outbox.depth().then(report, ended.reject), DEPTH_EVERY_MS);
    let cleanedAt = 0;
    const clean = async () => {
      if (relay!.forgotten - cleanedAt < CLEAN_ROWS) return;
      cleanedAt = relay!.forgotten;
      await Outbox.clean(listening);
    };
    const cleaning = setInterval(
      () =>
        clean().catch((error) =>
          logger.warn({ err: error }, "the outbox was not vacuumed; takes slow down until it is"),
        ),
      CLEAN_EVERY_MS,
    );
    const report = ({ depth, oldestAgeSeconds }: { depth: number; oldestAgeSeconds: number }) => {
      metrics.outboxDepth.set(depth);
      metrics.outboxOldestAge.set(oldestAgeSeconds);
    };
    using _canary = startCanary({ sql: listening, metrics, logger }, settings.LOCKSTEP_CANARY_EVERY_S);
    try {
      await relay.run();
    } finally {
      clearInterval(depth);
      clearInterval(cleaning);
      leader.stop();
      await publisher.close();
      await listening.end({ timeout: 1 });
    }
  };
  const running = lead().then(ended.resolve, ended.reject);

  return {
    ended: ended.promise,
    async stop() {
      stopping = true;
      relay?.stop();
      await running;
      await session.end({ timeout: 1 });
      await log.close();
      await http.stop();
    },
  };
}
