/** How each thing of a plan is started. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isLoopback } from "../platform/http/loopback.ts";
import type { External, Plan, PlannedBroker, PlannedServer, PlannedService } from "./plan.ts";
import { startBroker } from "./servers/broker.ts";
import { startPostgres } from "./servers/postgres.ts";
import { startRedis } from "./servers/redis.ts";
import { launch } from "./servers/server.ts";
import type { ProcessSpec } from "./supervise.ts";

/** Where the servers of a stack are, once they run. */
export interface Addresses {
  /** PostgreSQL by owner. */
  readonly databases: ReadonlyMap<string, string>;
  /** `host:port`, separated by commas. */
  readonly brokers: string;
  readonly redis: string;
}

const root = join(import.meta.dirname, "..");

/** `stream` for the only or first instance, `stream 2` for further ones; the brokers of three are all numbered. */
export const labelOf = ({ name, instance }: { name: string; instance: number }): string =>
  instance === 1 ? name : `${name} ${instance}`;

const logName = (planned: { name: string; instance: number }): string => `${labelOf(planned).replace(" ", "-")}.log`;

/** A server of the plan as something to keep running. Its data, port and password stay the same with each start. */
export function serverPart(server: PlannedServer, plan: Plan, data: string, say: (line: string) => void): ProcessSpec {
  const label = labelOf(server);
  const folder = join(data, server.kind === "broker" ? `broker-${server.instance}` : server.name);
  switch (server.kind) {
    case "postgres":
      return {
        label,
        logFile: join(folder, "postgres.log"),
        start: (signal, launched) =>
          startPostgres({ name: label, dir: folder, port: server.port, database: server.owner, say, signal, launched }),
      };
    case "redis":
      return {
        label,
        logFile: join(folder, "redis.log"),
        start: (signal, launched) => startRedis({ dir: folder, port: server.port, say, signal, launched }),
      };
    case "broker": {
      const nodes = plan.servers.filter((s): s is PlannedBroker => s.kind === "broker").map(asNode);
      return {
        label,
        logFile: join(folder, "broker.log"),
        start: (signal, launched) =>
          startBroker({ ...asNode(server), dir: folder, cluster: nodes, say, signal, launched }),
      };
    }
    default:
      return server satisfies never;
  }
}

const asNode = ({ instance, port, controllerPort }: PlannedBroker) => ({ nodeId: instance, port, controllerPort });

/** What a service needs to know beside where the servers are. */
export interface ServiceEnvironment {
  readonly data: string;
  readonly addresses: Addresses;
  /** Settings of the caller, passed on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly partitions: number | undefined;
  /** All services of the stack. */
  readonly services: readonly PlannedService[];
  /** Undefined: not ours to say, the brokers are somebody else's. */
  readonly brokers: 1 | 3 | undefined;
}

/**
 * How long a service may take to stop, in milliseconds: it ends by itself within LOCKSTEP_SHUTDOWN_MS (default 10,000), and has
 * a little longer before it is killed.
 */
const graceMs = (env: ServiceEnvironment["env"]): number => (Number(env.LOCKSTEP_SHUTDOWN_MS) || 10_000) + 2_000;

/**
 * How Bun treats memory, read when a process starts, so it cannot be a setting. The Dockerfile has the same.
 *
 * Its allocator looks every 100 ms for memory to give back, which takes an eighth of a busy service's CPU; a second is soon enough.
 * And on a machine with more than 16 GiB its heap may become four times what is in use before it is collected, twice on a smaller
 * one: two and a half times costs 2 % more CPU than four, and keeps the stream below 300 MB also there.
 */
const MEMORY = {
  MIMALLOC_PURGE_DELAY: "1000",
  MIMALLOC_PURGE_HOLES_MIN_INTERVAL: "1000",
  BUN_JSC_heapGrowthMaxIncrease: "1.5",
};

/** A service of the plan as something to keep running. */
export function servicePart(service: PlannedService, around: ServiceEnvironment): ProcessSpec {
  const logFile = join(around.data, "logs", logName(service));
  return {
    label: labelOf(service),
    logFile,
    start: async () => {
      if (service.keepsState) mkdirSync(stateFolder(service, around), { recursive: true, mode: 0o700 });
      return launch({
        name: labelOf(service),
        kind: service.kind,
        url: serviceUrl(service),
        port: service.port,
        command: process.execPath,
        args: [join(root, "lockstep.ts"), ...service.verb],
        cwd: root,
        env: { ...MEMORY, ...around.env, ...serviceEnvironment(service, around) },
        logFile,
        cleanSignal: "SIGTERM",
        graceMs: graceMs(around.env),
      });
    },
  };
}

const stateFolder = ({ name, instance }: PlannedService, { data }: ServiceEnvironment): string =>
  join(data, `${name}-${instance}`);

export const serviceUrl = ({ port }: { port: number }): string => `http://127.0.0.1:${port}`;

function serviceEnvironment(service: PlannedService, around: ServiceEnvironment): Record<string, string> {
  const { addresses, partitions, brokers } = around;
  const copies = brokers === undefined ? undefined : Math.min(3, brokers);
  const optional: Record<string, string | undefined> = {
    DATABASE_URL: service.owner && addresses.databases.get(service.owner),
    REDIS_URL: service.usesRedis ? addresses.redis : undefined,
    LOCKSTEP_PARTITIONS: partitions?.toString(),
    LOCKSTEP_REPLICATION_FACTOR: copies?.toString(),
    LOCKSTEP_MIN_IN_SYNC: copies === undefined ? undefined : copies >= 3 ? "2" : "1",
    LOCKSTEP_SHARED_PORT: service.sharedPort?.toString(),
    LOCKSTEP_STATE_DIR: service.keepsState ? stateFolder(service, around) : undefined,
    ...(service.seesAll ? everything(around) : {}),
  };
  return {
    PORT: String(service.port),
    KAFKA_BROKERS: addresses.brokers,
    LOCKSTEP_INSTANCE: String(service.instance),
    ...Object.fromEntries(Object.entries(optional).filter((e): e is [string, string] => e[1] !== undefined)),
  };
}

/** What operations are told of a stack. */
function everything({ addresses, services, data, env }: ServiceEnvironment): Record<string, string | undefined> {
  const replicas = [...addresses.databases].filter(([owner]) => owner !== "gateway");
  return {
    LOCKSTEP_SOURCE_DATABASE_URL: addresses.databases.get("gateway"),
    LOCKSTEP_REPLICA_DATABASE_URLS: replicas.map(([name, url]) => `${name}=${url}`).join(","),
    LOCKSTEP_SERVICE_URLS: services.map((service) => `${service.name}=${serviceUrl(service)}`).join(","),
    LOCKSTEP_STACK_DATA: data,
    // Whoever can reach the page may then change everything: by itself only where that is this machine.
    LOCKSTEP_CONSOLE_OPERATIONS:
      env.LOCKSTEP_CONSOLE_OPERATIONS || String(isLoopback(env.LOCKSTEP_HOST || "127.0.0.1")),
  };
}

/** Where everything is: what was started, and what was there before. */
export function addressesOf(
  started: readonly { planned: PlannedServer; url: string }[],
  external: readonly External[],
): Addresses {
  const all = [...started.map(({ planned, url }) => ({ kind: planned.kind, name: planned.name, url })), ...external];
  const of = (kind: string) => all.filter((s) => s.kind === kind);
  return {
    databases: new Map(of("postgres").map(({ name, url }) => [name.replace(/-db$/, ""), url])),
    brokers: of("broker")
      .map((s) => s.url)
      .join(","),
    redis: of("redis")[0]?.url ?? "",
  };
}
