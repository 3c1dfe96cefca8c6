/** What a stack consists of, as data. Pure: the same options give the same plan, and nothing is started. */
import { brokerPorts, portOf, privatePort, replicaDatabasePort, replicaPort, SUPPORTS_SHARED_PORTS } from "./layout.ts";
import type { ProxyRoute, UpOptions } from "./options.ts";
import type { ReplicaOffsets } from "./replica-ports.ts";

/** Kinds of servers that services use. */
export type ServerKind = "postgres" | "broker" | "redis";
/** In the order of the report. */
const observerKinds = ["grafana", "prometheus", "jaeger"] as const;
/** Kinds of servers that observe a stack. */
export type ObserverKind = (typeof observerKinds)[number];
/** Kinds of services: processes that run Lockstep's own code. */
export type ServiceKind = "gateway" | "relay" | "stream" | "replica" | "console";

interface Planned {
  readonly name: string;
  /** From 1. */
  readonly instance: number;
  readonly port: number;
}

/** Name in messages: `stream` for instance 1, `stream 2` for the next one. */
export const labelOf = ({ name, instance }: { name: string; instance: number }): string =>
  instance === 1 ? name : `${name} ${instance}`;

/** A PostgreSQL cluster to start. */
export interface PlannedDatabase extends Planned {
  readonly kind: "postgres";
  /** `gateway`, or a replica's name. The database has the same name. */
  readonly owner: string;
}

/** A broker to start. */
export interface PlannedBroker extends Planned {
  readonly kind: "broker";
  readonly controllerPort: number;
}

/** A Redis to start. */
export interface PlannedRedis extends Planned {
  readonly kind: "redis";
}

/** A server to start. */
export type PlannedServer = PlannedDatabase | PlannedBroker | PlannedRedis;

/** A service to start. */
export interface PlannedService extends Planned {
  readonly kind: ServiceKind;
  /** Arguments of `lockstep`: `["replica", "catalog"]`. */
  readonly command: readonly string[];
  /** Owner of the PostgreSQL that the service uses; undefined when it uses none. */
  readonly owner: string | undefined;
  readonly usesRedis: boolean;
  /** True when the service needs the addresses of all databases and services. */
  readonly needsAllAddresses: boolean;
  /** True when the service stores files in its own folder. */
  readonly hasStateDir: boolean;
  /** Port that all instances share, as one address for clients. Undefined when there is one instance. */
  readonly sharedPort?: number;
}

/** An observer to start. The services do not depend on it. */
export interface PlannedObserver extends Planned {
  readonly kind: ObserverKind;
}

/** True for an observer, false for a server or service. */
export const isObserver = (planned: { readonly kind: string }): boolean =>
  observerKinds.some((kind) => kind === planned.kind);

/** A server that runs elsewhere and is not started. */
export interface ExternalServer {
  readonly kind: ServerKind;
  readonly name: string;
  readonly instance: number;
  readonly url: string;
}

/** All parts of a stack. */
export interface Plan {
  readonly servers: readonly PlannedServer[];
  readonly services: readonly PlannedService[];
  /** Empty without `--observe`. Whether this machine has their programs is only known when they start. */
  readonly observers: readonly PlannedObserver[];
  readonly external: readonly ExternalServer[];
  readonly brokers: 1 | 3;
  /** Empty without `--proxies`. */
  readonly proxies: readonly ProxyRoute[];
}

/** Names that `--instances` accepts. */
export const serviceNames = (replicas: readonly string[]): string[] => ["gateway", "relay", "stream", ...replicas];

/** Owners of a database. */
export const databaseOwners = (replicas: readonly string[]): string[] => ["gateway", ...replicas];

type ServerOrExternal = PlannedServer | ExternalServer;
type PlanOptions = Pick<UpOptions, "portBase" | "instances" | "external">;

/** Plans a stack. */
export function planStack(
  options: PlanOptions & Pick<UpOptions, "observe" | "proxies">,
  brokers: 1 | 3,
  replicas: ReplicaOffsets,
): Plan {
  const all = [...databases(options, replicas), ...brokerNodes(options, brokers), redis(options)];
  const isExternal = (server: ServerOrExternal): server is ExternalServer => "url" in server;
  return {
    servers: all.filter((server): server is PlannedServer => !isExternal(server)),
    external: all.filter(isExternal),
    services: services(options, replicas),
    observers: options.observe ? observers(options) : [],
    brokers,
    proxies: options.proxies,
  };
}

function databases({ portBase, external }: PlanOptions, replicas: ReplicaOffsets): ServerOrExternal[] {
  return databaseOwners([...replicas.keys()]).map((owner) => {
    const database = { kind: "postgres", name: `${owner}-db`, instance: 1 } as const;
    const url = external.databases.get(owner);
    const offset = replicas.get(owner);
    const port = offset === undefined ? portOf(portBase, "gateway-db") : replicaDatabasePort(portBase, offset);
    return url ? { ...database, url } : { ...database, owner, port };
  });
}

function brokerNodes({ portBase, external }: PlanOptions, count: number): ServerOrExternal[] {
  const broker = (index: number) => ({ kind: "broker", name: "broker", instance: index + 1 }) as const;
  if (external.brokers) return external.brokers.split(",").map((url, index) => ({ ...broker(index), url: url.trim() }));
  return Array.from({ length: count }, (_, index) => ({ ...broker(index), ...brokerPorts(portBase, index + 1) }));
}

const redis = ({ portBase, external }: PlanOptions): ServerOrExternal => {
  const server = { kind: "redis", name: "redis", instance: 1 } as const;
  return external.redis ? { ...server, url: external.redis } : { ...server, port: portOf(portBase, "redis") };
};

/** No Jaeger when traces are sent elsewhere. */
const observers = ({ portBase, external }: PlanOptions): PlannedObserver[] =>
  observerKinds
    .filter((kind) => kind !== "jaeger" || !external.traces)
    .map((kind) => ({ kind, name: kind, instance: 1, port: portOf(portBase, kind) }));

function services({ portBase, instances }: PlanOptions, replicas: ReplicaOffsets): PlannedService[] {
  const defaults = { usesRedis: false, needsAllAddresses: false, hasStateDir: false };
  const each = (name: string, make: (instance: number) => PlannedService): PlannedService[] =>
    Array.from({ length: instances.get(name) ?? 1 }, (_, index) => make(index + 1));
  const fixed = (
    kind: "gateway" | "relay" | "stream" | "console",
    more: Pick<PlannedService, "owner"> & Partial<PlannedService>,
  ) =>
    each(kind, (instance) => {
      const port = portOf(portBase, kind, instance);
      return { ...defaults, kind, name: kind, instance, port, command: [kind], ...more };
    });
  const replica = (name: string, offset: number) =>
    each(name, (instance) => {
      const port = replicaPort(portBase, offset, instance);
      const command = ["replica", name];
      return { ...defaults, kind: "replica", name, instance, port, command, owner: name, usesRedis: true };
    });
  const stream = { owner: undefined, hasStateDir: true };
  const console = { owner: undefined, usesRedis: true, needsAllAddresses: true };
  return [
    ...withSharedPort(fixed("gateway", { owner: "gateway" })),
    ...fixed("relay", { owner: "gateway" }),
    ...fixed("stream", stream),
    ...[...replicas].flatMap(([name, offset]) => withSharedPort(replica(name, offset))),
    ...fixed("console", console),
  ];
}

/** Several instances share the port that a single instance would have. Each also gets its own port. */
function withSharedPort(instances: readonly PlannedService[]): readonly PlannedService[] {
  const [first, second] = instances;
  if (!first || !second || !SUPPORTS_SHARED_PORTS) return instances;
  return instances.map((service) => ({ ...service, port: privatePort(service.port), sharedPort: first.port }));
}
