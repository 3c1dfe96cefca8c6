/** Addresses of the servers of a stack, as its services reach them. */
import type { ProxyRoute } from "./options.ts";
import {
  type ExternalServer,
  labelOf,
  type Plan,
  type PlannedBroker,
  type PlannedServer,
  type PlannedService,
} from "./plan.ts";

/** Addresses of the servers of a stack. */
export interface Addresses {
  /** PostgreSQL URLs by owner. */
  readonly databases: ReadonlyMap<string, string>;
  /** `host:port`, separated by commas. */
  readonly brokers: string;
  readonly redis: string;
}

/** Combines the addresses of the servers that were started with those of the external servers. */
export function addressesOf(
  started: readonly { planned: PlannedServer; url: string }[],
  external: readonly ExternalServer[],
): Addresses {
  const all = [...started.map(({ planned, url }) => ({ kind: planned.kind, name: planned.name, url })), ...external];
  const ofKind = (kind: string) => all.filter((s) => s.kind === kind);
  return {
    databases: new Map(ofKind("postgres").map(({ name, url }) => [name.replace(/-db$/, ""), url])),
    brokers: ofKind("broker")
      .map((s) => s.url)
      .join(","),
    redis: ofKind("redis")[0]?.url ?? "",
  };
}

/** The servers of a plan that a service connects to. */
export const serversOf = (service: PlannedService, { servers }: Pick<Plan, "servers">): readonly PlannedServer[] =>
  servers.filter((server) => {
    switch (server.kind) {
      case "postgres":
        return service.needsAllAddresses || service.owner === server.owner;
      case "redis":
        return service.usesRedis;
      case "broker":
        return true;
      default:
        return server satisfies never;
    }
  });

/** Listeners of a broker for its proxies. */
export const brokerProxies = (broker: PlannedBroker, routes: readonly ProxyRoute[]) =>
  routes.filter(({ server }) => server === labelOf(broker)).map(({ target, port }) => ({ listener: target, port }));

/** The addresses of the servers as one service reaches them. */
export function proxiedAddresses(
  addresses: Addresses,
  service: PlannedService,
  routes: readonly ProxyRoute[],
): Addresses {
  const through = (server: string, url: string): string => {
    const route = routes.find((one) => one.server === server && one.service === labelOf(service));
    return route ? url.replace(/:\d+(?=\/|$)/, `:${route.port}`) : url;
  };
  const brokers = addresses.brokers
    .split(",")
    .map((url, i) => through(labelOf({ name: "broker", instance: i + 1 }), url));
  return {
    databases: new Map([...addresses.databases].map(([owner, url]) => [owner, through(`${owner}-db`, url)])),
    brokers: brokers.join(),
    redis: through("redis", addresses.redis),
  };
}
