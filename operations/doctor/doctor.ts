/** Checks a project against its databases, brokers and cache. Changes nothing. */
import type { Migration } from "../../contracts/project.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import { createLogger } from "../../observability/logger.ts";
import { readSource } from "../../pipeline/source-claim.ts";
import { connectDedicated, type Sql } from "../../platform/postgres/connect.ts";
import { connectRedis } from "../connect.ts";
import type { VerbContext } from "../verb.ts";
import { checkCache } from "./check-cache.ts";
import { checkLog, checkOwner } from "./check-log.ts";
import { checkReplica } from "./check-replica.ts";
import { checkSource } from "./check-source.ts";
import { type Finding, Findings } from "./finding.ts";

const BROKER_TIMEOUT_MS = 5_000;

/** @param migrations all of the source. @returns the findings of all areas. Never rejects for a server. */
export async function doctor(context: VerbContext, migrations: readonly Migration[]): Promise<Finding[]> {
  const { connections, project } = context;
  const { addresses } = connections;
  const source = await checkDatabase(context, "source", addresses.source, (session, findings) =>
    checkSource(session, project, migrations, findings),
  );
  const isReadable = !source.some(({ text }) => text.startsWith(UNAVAILABLE));
  const replicas = await Promise.all(
    project.replicaNames.map((name) =>
      checkDatabase(context, `replica ${name}`, addresses.replicas.get(name) ?? "", (session, findings) =>
        checkReplica(session, isReadable ? connections.source() : undefined, project, name, findings),
      ),
    ),
  );
  const log = await check("brokers", (findings) => checkBrokers(context, isReadable, findings));
  const cache = await check("cache", (findings) => checkRedis(context, findings));
  return [...checkProject(context), ...source, ...replicas.flat(), ...log, ...cache];
}

const UNAVAILABLE = "cannot be read";

async function check(area: string, work: (findings: Findings) => Promise<void>): Promise<readonly Finding[]> {
  const findings = new Findings(area);
  try {
    await work(findings);
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    findings.fail(`${UNAVAILABLE}: ${message || code}`, "check the address, the password and that it runs");
  }
  return findings.list;
}

function checkDatabase(
  { settings }: VerbContext,
  area: string,
  url: string,
  work: (session: Sql, findings: Findings) => Promise<void>,
): Promise<readonly Finding[]> {
  return check(area, async (findings) => {
    if (url === "") {
      const setting = area === "source" ? "LOCKSTEP_SOURCE_DATABASE_URL" : "LOCKSTEP_REPLICA_DATABASE_URLS";
      const remedy =
        settings.LOCKSTEP_SOURCE_DATABASE_URL === undefined ? "start the stack: bun run up" : `set ${setting}`;
      return findings.fail("has no address", remedy);
    }
    const session = connectDedicated(url, "lockstep-operations");
    try {
      await work(session, findings);
    } finally {
      await session.end({ timeout: 1 });
    }
  });
}

function checkProject({ project }: VerbContext): readonly Finding[] {
  const findings = new Findings("project");
  if (project.entities.length === 0) findings.fail("declares no entity", "lockstep adopt, or lockstep new entity NAME");
  for (const { name, replicas } of project.entities)
    if (replicas.length === 0) findings.warn(`entity ${name} has no replica`, "name one in its declaration");
  if (findings.list.length === 0)
    findings.ok(`${project.entities.length} entities, ${project.replicaNames.length} replicas`);
  return findings.list;
}

async function checkBrokers(
  { connections, project, settings }: VerbContext,
  isReadable: boolean,
  findings: Findings,
): Promise<void> {
  const { brokers, security } = connections.addresses;
  if (brokers.length === 0)
    return findings.fail("have no address", "set KAFKA_BROKERS, or start the stack: bun run up");
  const log = await connectLog({
    brokers,
    security,
    clientId: "lockstep-operations",
    logger: createLogger("operations", "1", "silent"),
    connectTimeoutMs: BROKER_TIMEOUT_MS,
  });
  try {
    findings.ok(`${brokers.join(", ")} respond`);
    await checkLog(log, project, settings.LOCKSTEP_PARTITIONS, findings);
    if (isReadable) await checkOwner(log, project, await readSource(connections.source()), findings);
  } finally {
    await log.close();
  }
}

async function checkRedis({ connections }: VerbContext, findings: Findings): Promise<void> {
  const redis = connectRedis(connections.addresses.redis);
  if (!redis) return findings.ok("there is none: replicas read from PostgreSQL");
  try {
    await checkCache(redis, findings);
  } finally {
    redis.disconnect();
  }
}
