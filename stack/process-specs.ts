/** How each server and service of a plan is started. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isLoopback } from "../platform/http/loopback.ts";
import { type Addresses, brokerProxies, proxiedAddresses } from "./addresses.ts";
import type { ProxyRoute } from "./options.ts";
import { labelOf, type Plan, type PlannedBroker, type PlannedServer, type PlannedService } from "./plan.ts";
import { programArguments } from "./program.ts";
import { startBroker } from "./servers/broker.ts";
import { startPostgres } from "./servers/postgres.ts";
import { startRedis } from "./servers/redis.ts";
import { launch } from "./servers/server.ts";
import type { ProcessSpec } from "./supervise.ts";

const logFileName = (planned: { name: string; instance: number }): string =>
  `${labelOf(planned).replace(" ", "-")}.log`;

/** Folder of a server in the data folder of its stack. */
export const serverFolder = ({ kind, name, instance }: PlannedServer): string =>
  kind === "broker" ? `broker-${instance}` : name;

/** How to start a server. Its data, port and password are the same at each start. */
export function serverSpec(
  server: PlannedServer,
  plan: Plan,
  dataDir: string,
  print: (line: string) => void,
): ProcessSpec {
  const label = labelOf(server);
  const { kind, port } = server;
  const dir = join(dataDir, serverFolder(server));
  const spec = { label, logFile: join(dir, `${kind}.log`) };
  switch (server.kind) {
    case "postgres":
      return {
        ...spec,
        start: (signal, onLaunch) =>
          startPostgres({ name: label, dir, port, database: server.owner, print, signal, onLaunch }),
      };
    case "redis":
      return { ...spec, start: (signal, onLaunch) => startRedis({ dir, port, print, signal, onLaunch }) };
    case "broker": {
      const cluster = plan.servers.filter((s): s is PlannedBroker => s.kind === "broker").map(clusterNode);
      const broker = { ...clusterNode(server), dir, cluster, proxies: brokerProxies(server, plan.proxies) };
      return { ...spec, start: (signal, onLaunch) => startBroker({ ...broker, print, signal, onLaunch }) };
    }
    default:
      return server satisfies never;
  }
}

const clusterNode = ({ instance, port, controllerPort }: PlannedBroker) => ({ nodeId: instance, port, controllerPort });

/** Input for the settings of a service. */
export interface ServiceSettings {
  readonly dataDir: string;
  readonly addresses: Addresses;
  /** Environment of the command, passed on to the service. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly partitions: number | undefined;
  /** All services of the stack. */
  readonly services: readonly PlannedService[];
  /** Number of brokers of this stack; undefined when the brokers are external. */
  readonly brokers: 1 | 3 | undefined;
  readonly proxies: readonly ProxyRoute[];
}

/** Time to stop before SIGKILL, in milliseconds. A service ends by itself within LOCKSTEP_SHUTDOWN_MS. */
const graceMs = (env: ServiceSettings["env"]): number => (Number(env.LOCKSTEP_SHUTDOWN_MS) || 10_000) + 2_000;

/**
 * Settings of Bun's engine. Bun reads them when a process starts, so Lockstep's settings cannot contain them. The
 * Dockerfile has the same values; section "Engine of the services" in README.md explains them.
 */
const ENGINE = {
  MIMALLOC_PURGE_DELAY: "1000",
  MIMALLOC_PURGE_HOLES_MIN_INTERVAL: "1000",
  BUN_JSC_heapGrowthMaxIncrease: "1.5",
  BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "1000000",
};

/** How to start a service. */
export function serviceSpec(service: PlannedService, settings: ServiceSettings): ProcessSpec {
  const logFile = join(settings.dataDir, "logs", logFileName(service));
  return {
    label: labelOf(service),
    logFile,
    start: async () => {
      if (service.hasStateDir) mkdirSync(stateDir(service, settings), { recursive: true, mode: 0o700 });
      return launch({
        name: labelOf(service),
        kind: service.kind,
        url: serviceUrl(service),
        port: service.port,
        command: process.execPath,
        args: [...programArguments, ...service.command],
        env: { ...ENGINE, ...settings.env, ...environmentOf(service, settings) },
        logFile,
        cleanSignal: "SIGTERM",
        graceMs: graceMs(settings.env),
      });
    },
  };
}

const stateDir = ({ name, instance }: PlannedService, { dataDir }: ServiceSettings): string =>
  join(dataDir, `${name}-${instance}`);

/** Base URL of a service. */
export const serviceUrl = ({ port }: { port: number }): string => `http://127.0.0.1:${port}`;

function environmentOf(service: PlannedService, settings: ServiceSettings): Record<string, string> {
  const { partitions, brokers, proxies } = settings;
  const addresses = proxiedAddresses(settings.addresses, service, proxies);
  const replicationFactor = brokers === undefined ? undefined : Math.min(3, brokers);
  const optional: Record<string, string | undefined> = {
    DATABASE_URL: service.owner && addresses.databases.get(service.owner),
    REDIS_URL: service.usesRedis ? addresses.redis : undefined,
    LOCKSTEP_PARTITIONS: partitions?.toString(),
    LOCKSTEP_REPLICATION_FACTOR: replicationFactor?.toString(),
    LOCKSTEP_MIN_IN_SYNC: replicationFactor === undefined ? undefined : replicationFactor >= 3 ? "2" : "1",
    LOCKSTEP_SHARED_PORT: service.sharedPort?.toString(),
    LOCKSTEP_STATE_DIR: service.hasStateDir ? stateDir(service, settings) : undefined,
    ...(service.needsAllAddresses ? operationsSettings({ ...settings, addresses }) : {}),
  };
  return {
    PORT: String(service.port),
    KAFKA_BROKERS: addresses.brokers,
    LOCKSTEP_INSTANCE: String(service.instance),
    ...Object.fromEntries(Object.entries(optional).filter((e): e is [string, string] => e[1] !== undefined)),
  };
}

/** Addresses of all databases and services, for operations in the console. */
function operationsSettings({
  addresses,
  services,
  dataDir,
  env,
}: ServiceSettings): Record<string, string | undefined> {
  const replicas = [...addresses.databases].filter(([owner]) => owner !== "gateway");
  return {
    LOCKSTEP_SOURCE_DATABASE_URL: addresses.databases.get("gateway"),
    LOCKSTEP_REPLICA_DATABASE_URLS: replicas.map(([name, url]) => `${name}=${url}`).join(","),
    LOCKSTEP_SERVICE_URLS: services.map((service) => `${service.name}=${serviceUrl(service)}`).join(","),
    LOCKSTEP_STACK_DATA: dataDir,
    // Operations change data without a login. They are on by default only when the console is reachable from this
    // machine alone.
    LOCKSTEP_CONSOLE_OPERATIONS:
      env.LOCKSTEP_CONSOLE_OPERATIONS || String(isLoopback(env.LOCKSTEP_HOST || "127.0.0.1")),
  };
}
