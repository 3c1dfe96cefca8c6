/** Everything that a stack consists of, as data: the same flags give the same plan, nothing is started here. */
import {
  brokerPorts,
  MAX_REPLICAS,
  ownPort,
  PORTS_ARE_SHARED,
  portOf,
  replicaDatabasePort,
  replicaPort,
} from "./layout.ts";
import { type UpOptions, UsageError } from "./options.ts";

export type ServerKind = "postgres" | "broker" | "redis";
/** In the order in which they are told. */
const observerKinds = ["grafana", "prometheus", "jaeger"] as const;
export type ObserverKind = (typeof observerKinds)[number];
export type ServiceKind = "gateway" | "relay" | "stream" | "replica" | "console";

interface Planned {
  readonly name: string;
  /** From 1. */
  readonly instance: number;
  readonly port: number;
}

export interface PlannedDatabase extends Planned {
  readonly kind: "postgres";
  /** Whose database it is; its name too. */
  readonly owner: string;
}

export interface PlannedBroker extends Planned {
  readonly kind: "broker";
  readonly controllerPort: number;
}

export interface PlannedRedis extends Planned {
  readonly kind: "redis";
}

export type PlannedServer = PlannedDatabase | PlannedBroker | PlannedRedis;

export interface PlannedService extends Planned {
  readonly kind: ServiceKind;
  /** What `lockstep` is told: `["replica", "catalog"]`. */
  readonly verb: readonly string[];
  /** Whose PostgreSQL it works on; undefined for one that has none. */
  readonly owner: string | undefined;
  readonly usesRedis: boolean;
  /** True for one that is told where all databases and services are. */
  readonly seesAll: boolean;
  /** True for one that keeps a folder of its own. */
  readonly keepsState: boolean;
  /** Port that all instances of it answer on, so that its clients have one address; undefined when there is only one. */
  readonly sharedPort?: number;
}

/** What watches the others; nothing of them waits for it. */
export interface PlannedObserver extends Planned {
  readonly kind: ObserverKind;
}

export const isObserver = (planned: { readonly kind: string }): boolean =>
  observerKinds.some((kind) => kind === planned.kind);

/** A server that is somewhere already. */
export interface External {
  readonly kind: ServerKind;
  readonly name: string;
  readonly instance: number;
  readonly url: string;
}

export interface Plan {
  readonly servers: readonly PlannedServer[];
  readonly services: readonly PlannedService[];
  /** Empty unless they are asked for. Which of them there are on this machine shows when they are to be started. */
  readonly observers: readonly PlannedObserver[];
  readonly external: readonly External[];
  readonly brokers: 1 | 3;
}

/** Names that `--instances` takes. */
export const serviceNames = (replicas: readonly string[]): string[] => ["gateway", "relay", "stream", ...replicas];

/** All that own a database. */
export const databaseOwners = (replicas: readonly string[]): string[] => ["gateway", ...replicas];

/** @throws {UsageError} when more replicas are declared than there are ports for. */
export function planStack(
  options: Basis & Pick<UpOptions, "observe">,
  brokers: 1 | 3,
  replicas: readonly string[],
): Plan {
  if (replicas.length > MAX_REPLICAS)
    throw new UsageError(`${replicas.length} replicas are declared; one stack has ports for ${MAX_REPLICAS}`);
  const wanted = [...databases(options, replicas), ...brokerNodes(options, brokers), redis(options)];
  const isExternal = (server: PlannedServer | External): server is External => "url" in server;
  return {
    servers: wanted.filter((server): server is PlannedServer => !isExternal(server)),
    external: wanted.filter(isExternal),
    services: services(options, replicas),
    observers: options.observe ? observers(options) : [],
    brokers,
  };
}

type Wanted = PlannedServer | External;
type Basis = Pick<UpOptions, "portBase" | "instances" | "external">;

function databases({ portBase, external }: Basis, replicas: readonly string[]): Wanted[] {
  return databaseOwners(replicas).map((owner, index) => {
    const at = { kind: "postgres", name: `${owner}-db`, instance: 1 } as const;
    const url = external.databases.get(owner);
    const port = index === 0 ? portOf(portBase, "gateway-db") : replicaDatabasePort(portBase, index - 1);
    return url ? { ...at, url } : { ...at, owner, port };
  });
}

function brokerNodes({ portBase, external }: Basis, count: number): Wanted[] {
  if (external.brokers)
    return external.brokers
      .split(",")
      .map((url, index) => ({ kind: "broker", name: "broker", instance: index + 1, url: url.trim() }));
  return Array.from({ length: count }, (_, index) => ({
    kind: "broker",
    name: "broker",
    instance: index + 1,
    ...brokerPorts(portBase, index + 1),
  }));
}

const redis = ({ portBase, external }: Basis): Wanted => {
  const at = { kind: "redis", name: "redis", instance: 1 } as const;
  return external.redis ? { ...at, url: external.redis } : { ...at, port: portOf(portBase, "redis") };
};

/** Spans that are sent elsewhere need no Jaeger here. */
const observers = ({ portBase, external }: Basis): PlannedObserver[] =>
  observerKinds
    .filter((kind) => kind !== "jaeger" || !external.traces)
    .map((kind) => ({ kind, name: kind, instance: 1, port: portOf(portBase, kind) }));

function services({ portBase, instances }: Basis, replicas: readonly string[]): PlannedService[] {
  const each = (name: string, make: (instance: number) => PlannedService): PlannedService[] =>
    Array.from({ length: instances.get(name) ?? 1 }, (_, index) => make(index + 1));
  const own = (kind: "gateway" | "relay" | "stream", owner: string | undefined) =>
    each(kind, (instance) => ({
      kind,
      name: kind,
      instance,
      port: portOf(portBase, kind, instance),
      verb: [kind],
      owner,
      usesRedis: false,
      seesAll: false,
      keepsState: kind === "stream",
    }));
  const replica = (name: string, index: number) =>
    each(name, (instance) => ({
      kind: "replica" as const,
      name,
      instance,
      port: replicaPort(portBase, index, instance),
      verb: ["replica", name],
      owner: name,
      usesRedis: true,
      seesAll: false,
      keepsState: false,
    }));
  return [
    ...shared(own("gateway", "gateway")),
    ...own("relay", "gateway"),
    ...own("stream", undefined),
    ...replicas.flatMap((name, index) => shared(replica(name, index))),
    {
      kind: "console",
      name: "console",
      instance: 1,
      port: portOf(portBase, "console"),
      verb: ["console"],
      owner: undefined,
      usesRedis: true,
      seesAll: true,
      keepsState: false,
    },
  ];
}

/** Several instances that clients ask: the port that a single one would have is all of theirs, and each has another one of its own. */
function shared(instances: readonly PlannedService[]): readonly PlannedService[] {
  const [first, second] = instances;
  if (!first || !second || !PORTS_ARE_SHARED) return instances;
  return instances.map((one) => ({ ...one, port: ownPort(one.port), sharedPort: first.port }));
}
