/** Starts a cluster of brokers, each behind a TCP proxy. Tests can kill and suspend brokers, and move their leaders. */
import { join } from "node:path";
import { ClusterAdmin } from "../../chaos/brokers/cluster-admin.ts";
import { startBroker } from "../../stack/servers/broker.ts";
import type { Server } from "../../stack/servers/server.ts";
import { stopAtExit } from "./clean-up-at-exit.ts";
import { eventually } from "./eventually.ts";
import { freePort, temporaryFolder } from "./servers.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

/** One broker of the cluster. */
export interface TestBroker {
  readonly id: number;
  readonly proxy: TcpProxy;
  readonly pid: () => number;
  /** Sends SIGKILL and waits for the exit. */
  kill(): Promise<void>;
  /** Restarts it with its data. Resolves when it accepts requests. */
  start(): Promise<void>;
  suspend(): void;
  resume(): void;
}

/** The cluster. */
export interface TestBrokers {
  /** `host:port` of each proxy, for clients. */
  readonly addresses: readonly string[];
  readonly all: readonly TestBroker[];
  /** Returns the broker id of each partition's leader, in the order of the partitions. */
  leaders(topic: string): Promise<readonly number[]>;
  /** Waits until all replicas of every partition are in sync. @throws {Error} after 60 s. */
  untilInSync(topic: string): Promise<void>;
  /** Moves each partition's leader to another broker by election, without a restart. @throws {Error} after 30 s. */
  moveLeaders(topic: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts 1 or 3 brokers. @param config Kafka's broker settings for all of them. */
export async function startBrokers(
  count: 1 | 3,
  config: Readonly<Record<string, string | number>> = {},
): Promise<TestBrokers> {
  const cluster = await Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      nodeId: i + 1,
      port: await freePort(),
      controllerPort: await freePort(),
    })),
  );
  const all = await Promise.all(cluster.map((node) => startOne(node, cluster, config)));
  // The admin bypasses the proxies, so that faults do not affect it.
  const admin = new ClusterAdmin(cluster.map(({ port }) => `127.0.0.1:${port}`));
  return {
    addresses: all.map(({ proxy }) => `127.0.0.1:${proxy.port}`),
    all,
    leaders: async (topic) => (await admin.describe(topic)).map(({ leader }) => leader),
    async untilInSync(topic) {
      const check = async () =>
        (await admin.describe(topic)).every(({ isr, replicas }) => isr.length === replicas.length);
      await eventually(check, { timeoutMs: 60_000, what: `all replicas of ${topic} in sync`, everyMs: 100 });
    },
    moveLeaders: (topic) => admin.moveLeaders(topic),
    async stop() {
      admin[Symbol.dispose]();
      await Promise.all(all.map((broker) => broker.kill()));
      await Promise.all(all.map(({ proxy }) => proxy.close()));
    },
  };
}

async function startOne(
  node: { nodeId: number; port: number; controllerPort: number },
  cluster: readonly { nodeId: number; port: number; controllerPort: number }[],
  config: Readonly<Record<string, string | number>>,
): Promise<TestBroker> {
  const dir = join(temporaryFolder("brokers"), String(node.nodeId));
  const listener = await freePort();
  const proxy = await startProxy(listener);
  const proxies = [{ listener, port: proxy.port }];
  const start = async () => {
    const started = await startBroker({ ...node, dir, cluster, proxies, config });
    stopAtExit(started.pid, "KILL", dir);
    return started;
  };
  let server: Server = await start();
  return {
    id: node.nodeId,
    proxy,
    pid: () => server.pid,
    kill: () => server.stop("SIGKILL"),
    async start() {
      server = await start();
    },
    suspend: () => void process.kill(server.pid, "SIGSTOP"),
    resume: () => void process.kill(server.pid, "SIGCONT"),
  };
}
