/**
 * Proxies for all connections from the services of a stack to its servers, one for each pair. A broker has a listener
 * for each of its proxies, so that it names to a service only the addresses of this service's proxies.
 *
 * Not covered: requests from service to service (the console asks for health over HTTP), and the brokers' connections
 * to each other.
 */
import { serversOf } from "../../stack/addresses.ts";
import type { ProxyRoute } from "../../stack/options.ts";
import { labelOf, type Plan } from "../../stack/plan.ts";
import { freePort } from "../../stack/ports.ts";
import { type FaultProxy, startProxy } from "./proxy.ts";

/** The proxies of one stack. */
export interface StackProxies extends AsyncDisposable {
  readonly connections: readonly FaultProxy[];
  /** Content of the file for `bun run up --proxies FILE`. */
  readonly routes: readonly ProxyRoute[];
}

/** Starts the proxies of a stack that is not started yet. @throws {Error} when a proxy cannot listen. */
export async function startStackProxies(plan: Pick<Plan, "services" | "servers">): Promise<StackProxies> {
  const pairs = plan.services.flatMap((service) => serversOf(service, plan).map((server) => ({ service, server })));
  const started = await Promise.all(
    pairs.map(async ({ service, server }) => {
      const target = server.kind === "broker" ? await freePort() : server.port;
      const [from, to] = [labelOf(service), labelOf(server)];
      const proxy = await startProxy({ name: `${from} → ${to}`, targetPort: target });
      return { proxy, route: { service: from, server: to, port: proxy.port, target } };
    }),
  );
  const connections = started.map(({ proxy }) => proxy);
  return {
    connections,
    routes: started.map(({ route }) => route),
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((proxy) => proxy.close()));
    },
  };
}
