/** Wires the relay: the HTTP port, the session in the source's PostgreSQL, the log. */
import type { Migration } from "../contracts/project.ts";
import { controlTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import { brokerOptions } from "../kafka/security.ts";
import { TopicKeeper } from "../pipeline/keep-topics.ts";
import { checkClaim, readSource } from "../pipeline/source-claim.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { replicationOptionsOf } from "../platform/settings/settings.ts";
import { Leadership } from "./leadership.ts";
import { openSourceSession } from "./source-session.ts";

/**
 * Starts the relay. It is ready on standby too: another relay leads then.
 *
 * @param sourceMigrations applied to the source before the relay reads it.
 * @throws {OtherSourceError} when the topics hold the events of another source.
 * @throws {Error} when DATABASE_URL is not set, or the database or the brokers cannot be reached.
 */
export async function startRelay(deps: ServiceDeps, sourceMigrations: readonly Migration[]): Promise<Service> {
  const { settings, logger, metrics, project } = deps;
  const url = settings.DATABASE_URL;
  if (!url) throw new Error("DATABASE_URL is not set; set it to the source's PostgreSQL");
  const leadership = new Leadership(deps, url);
  const topics = new TopicKeeper({ settings, logger, project });
  const checks = [...leadership.state.checks(), leadership.lossCheck, leadership.captureWatch.check, topics.check];
  const http = serveHttp(serviceApp({ checks, metrics, logger }), settings);
  await migrate(url, sourceMigrations, logger);
  leadership.state.connecting = "log";
  const log = await connectLog({ ...brokerOptions(settings), clientId: "lockstep-relay", logger, metrics });
  const session = await openSourceSession(url);
  await log.ensureTopics([controlTopic(project)], { ...replicationOptionsOf(settings), partitions: 1 });
  // Also on standby, so that a wrong configuration is seen at the start.
  await checkClaim(log, project, await readSource(session.sql));
  await topics.start(log);
  const stopping = new AbortController();
  const running = leadership.run(session, log, stopping.signal);

  return {
    ended: Promise.race([running, leadership.failed, session.closed]),
    async stop() {
      stopping.abort();
      topics[Symbol.dispose]();
      await running.catch(() => {});
      await session.sql.end({ timeout: 1 });
      await log.close();
      await http.stop();
    },
  };
}
