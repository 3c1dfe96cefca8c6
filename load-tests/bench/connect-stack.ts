/** Connects the bench to a running stack. */
import postgres from "postgres";
import type { Project } from "../../contracts/project.ts";
import { workloadOf } from "../workload/workload.ts";
import { requireCommitTimestamps } from "./commits.ts";
import { Hops } from "./hops.ts";
import type { WatchedProcess } from "./processes.ts";
import { entryOf, type StackStatus } from "./running-stack.ts";
import type { StackUnderTest } from "./stack-measurement.ts";

/** Kinds of services that count their requests to brokers. */
const METERED_KINDS: ReadonlySet<string> = new Set(["gateway", "relay", "stream", "replica"]);

const labelOf = ({ name, instance }: { name: string; instance: number }) =>
  instance > 1 ? `${name} ${instance}` : name;

/** All services and servers of a stack. External servers are not included. */
export const processesOf = (status: StackStatus): WatchedProcess[] =>
  status.services.flatMap(({ kind, pid, ...service }) => (pid === null ? [] : [{ name: labelOf(service), kind, pid }]));

/** `bun run up`, which checks and restarts the others. They are its children, so it is measured alone. */
const supervisorOf = ({ supervisor }: StackStatus): WatchedProcess[] =>
  supervisor ? [{ name: "supervisor", kind: "supervisor", pid: supervisor.pid, isAlone: true }] : [];

/**
 * Connects to the databases and the log of a stack. Dispose the result to close the connections.
 *
 * @param project the one that the stack runs.
 * @param token for its gateway.
 * @throws {UserError} when the project has nothing to write.
 * @throws {Error} when a database does not record commit timestamps, or the brokers cannot be reached.
 */
export async function connectStack(
  status: StackStatus,
  project: Project,
  token?: string,
): Promise<StackUnderTest & AsyncDisposable> {
  const connect = (name: string) => {
    const { url } = entryOf(status, name);
    return { url, sql: postgres(url, { max: 1, onnotice: () => {} }) };
  };
  const workload = await workloadOf(project);
  const { entity } = workload;
  const names = entity.replicas.map(({ name }) => name);
  const source = connect("gateway-db");
  const replicas = names.map((name) => ({ name, ...connect(`${name}-db`) }));
  await requireCommitTimestamps("gateway-db", source.sql);
  for (const { name, sql } of replicas) await requireCommitTimestamps(`${name}-db`, sql);
  const brokers = status.services.filter(({ kind }) => kind === "broker").map(({ url }) => url);
  const hops = await Hops.connect(brokers, entity);
  const urlsOf = (name: string) => status.services.filter((service) => service.name === name).map(({ url }) => url);
  return {
    project,
    workload,
    gateway: entryOf(status, "gateway").url,
    token,
    redis: entryOf(status, "redis").url,
    source,
    replicas,
    hops,
    replicaUrls: new Map(names.map((name) => [name, urlsOf(name)])),
    processes: [...processesOf(status), ...supervisorOf(status)],
    services: status.services
      .filter(({ kind }) => METERED_KINDS.has(kind))
      .map((service) => ({ name: labelOf(service), url: service.url })),
    async [Symbol.asyncDispose]() {
      await Promise.all([hops[Symbol.asyncDispose](), ...[source, ...replicas].map(({ sql }) => sql.end())]);
    },
  };
}
