/** Starts a cluster of brokers, each behind a TCP proxy. Tests can kill and suspend brokers, and move their leaders. */
import { join } from "node:path";
import { logLevel } from "kafkajs";
import { createLogger } from "kafkajs/src/loggers/index.js";
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import { type Protocol, requests } from "kafkajs/src/protocol/requests/index.js";
import { Connection } from "../../kafka/wire/connection.ts";
import type { Requests } from "../../kafka/wire/protocol.ts";
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
  // The operator bypasses the proxies, so that faults do not affect it.
  const operator = new Operator(cluster.map(({ port }) => port));
  return {
    addresses: all.map(({ proxy }) => `127.0.0.1:${proxy.port}`),
    all,
    leaders: async (topic) => (await operator.describe(topic)).map(({ leader }) => leader),
    async untilInSync(topic) {
      const check = async () =>
        (await operator.describe(topic)).every(({ isr, replicas }) => isr.length === replicas.length);
      await eventually(check, { timeoutMs: 60_000, what: `all replicas of ${topic} in sync`, everyMs: 100 });
    },
    async moveLeaders(topic) {
      const before = await operator.describe(topic);
      // The same replicas in another order: no data moves, but the preferred leader changes.
      const wanted = before.map(({ replicas, leader }) =>
        replicas.toSorted((a, b) => ((a - leader + 9) % 10) - ((b - leader + 9) % 10)),
      );
      await operator.setPreferredLeaders(topic, wanted);
      const check = async () => {
        await operator.electPreferred(topic, wanted.length);
        return (await operator.describe(topic)).every(({ leader }, i) => leader === wanted[i]![0]);
      };
      await eventually(check, { timeoutMs: 30_000, what: `every leader of ${topic} moved`, everyMs: 100 });
    },
    async stop() {
      operator.close();
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
  const proxy = await startProxy(node.port);
  const start = async () => {
    const started = await startBroker({ ...node, dir, cluster, advertisedPort: proxy.port, config });
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

const ELECT_LEADERS = 43;
const REASSIGN = 45;

/** Administrative requests. Each goes to the first broker that answers. */
class Operator {
  private readonly connections: readonly Connection[];

  constructor(ports: readonly number[]) {
    const logger = createLogger({ level: logLevel.NOTHING, logCreator: () => () => {} });
    const settings = { clientId: "operator", logger, security: {}, timedOutAtMs: new Map() };
    this.connections = ports.map((port) => new Connection({ id: -1, host: "127.0.0.1", port }, settings));
  }

  /** Returns the topic's partitions, in order. */
  async describe(
    topic: string,
  ): Promise<Requests["Metadata"]["response"]["topicMetadata"][number]["partitionMetadata"]> {
    const args = { topics: [topic], allowAutoTopicCreation: false } as const;
    const { topicMetadata } = await this.tryEach((wire) => wire.request("Metadata", args));
    return (topicMetadata[0]?.partitionMetadata ?? []).toSorted((a, b) => a.partitionId - b.partitionId);
  }

  /** Sets the order of each partition's replicas. The first is the preferred leader. */
  async setPreferredLeaders(topic: string, replicas: readonly (readonly number[])[]): Promise<void> {
    const partitionAssignment = replicas.map((of, partition) => ({ partition, replicas: of }));
    const protocol = requests.AlterPartitionReassignments!.protocol({ version: 0 })({
      topics: [{ topic, partitionAssignment }],
      timeout: 5_000,
    });
    if (protocol.request.apiKey !== REASSIGN)
      throw new Error(
        `kafkajs uses API key ${protocol.request.apiKey} for AlterPartitionReassignments, not ${REASSIGN}`,
      );
    await this.tryEach((wire) => wire.send(protocol));
  }

  /** Sends ElectLeaders version 0, which kafkajs lacks. */
  async electPreferred(topic: string, partitions: number): Promise<void> {
    const encode = async () => {
      const body = new Encoder().writeInt32(1).writeString(topic).writeInt32(partitions);
      for (let partition = 0; partition < partitions; partition++) body.writeInt32(partition);
      return body.writeInt32(10_000);
    };
    const protocol: Protocol<number> = {
      request: { apiKey: ELECT_LEADERS, apiVersion: 0, apiName: "ElectLeaders", encode },
      response: { decode: async (body) => new Decoder(body).readInt32(), parse: async (answer) => answer },
    };
    await this.tryEach((wire) => wire.send(protocol));
  }

  close(): void {
    for (const wire of this.connections) wire.close();
  }

  private async tryEach<T>(ask: (wire: Connection) => Promise<T>): Promise<T> {
    let failure: unknown;
    for (const wire of this.connections) {
      try {
        return await ask(wire);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}
