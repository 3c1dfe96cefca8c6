/** Administrative requests to a cluster of brokers, among them an election of leaders, which kafkajs lacks. */
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import { requests } from "kafkajs/src/protocol/requests/index.js";
import { Connection, ConnectionOptions } from "../../kafka/wire/connection.ts";
import { behindHeader, fromKafkajs, type Protocol, type Requests } from "../../kafka/wire/protocol.ts";
import { createLogger } from "../../observability/logger.ts";
import { NotYetError, waitFor } from "../../stack/wait-for.ts";

type Partition = Requests["Metadata"]["response"]["topicMetadata"][number]["partitionMetadata"][number];

const ELECT_LEADERS = 43;
const REASSIGN = 45;
const MOVE_TIMEOUT_MS = 30_000;

/** Each request goes to the first broker that answers. */
export class ClusterAdmin implements Disposable {
  private readonly connections: readonly Connection[];

  /** @param brokers `host:port` of each. */
  constructor(brokers: readonly string[]) {
    const settings = new ConnectionOptions({
      clientId: "cluster-admin",
      logger: createLogger("cluster-admin", "1", "silent"),
    });
    this.connections = brokers.map((address) => {
      const [host = "", port = ""] = address.split(/:(?=\d+$)/);
      return new Connection({ id: -1, host, port: Number(port) }, settings);
    });
  }

  /** Returns the topic's partitions, in order; none when there is no such topic. @throws {Error} without a broker. */
  async describe(topic: string): Promise<readonly Partition[]> {
    const args = { topics: [topic], allowAutoTopicCreation: false } as const;
    const { topicMetadata } = await this.tryEach((wire) => wire.request("Metadata", args));
    return (topicMetadata[0]?.partitionMetadata ?? []).toSorted((a, b) => a.partitionId - b.partitionId);
  }

  /**
   * Moves each partition's leader to another broker by election, without a restart.
   *
   * @throws {Error} when a leader has not moved after 30 s.
   */
  async moveLeaders(topic: string): Promise<void> {
    const before = await this.describe(topic);
    // The same replicas in another order: no data moves, but the preferred leader changes.
    const wanted = before.map(({ replicas, leader }) =>
      replicas.toSorted((a, b) => ((a - leader + 9) % 10) - ((b - leader + 9) % 10)),
    );
    await this.setPreferredLeaders(topic, wanted);
    const leaders = async () => {
      await this.electPreferred(topic, wanted.length);
      return (await this.describe(topic)).map(({ leader }) => leader);
    };
    await waitFor(`every leader of ${topic} to move`, { timeoutMs: MOVE_TIMEOUT_MS, intervalMs: 100 }, async () => {
      const now = await leaders().catch((error) => Promise.reject(new NotYetError(String(error))));
      if (wanted.some(([first], i) => first !== now[i])) throw new NotYetError(`they are ${now.join()}`);
    });
  }

  [Symbol.dispose](): void {
    for (const wire of this.connections) wire.close();
  }

  /** Sets the order of each partition's replicas. The first is the preferred leader. */
  private async setPreferredLeaders(topic: string, replicas: readonly (readonly number[])[]): Promise<void> {
    const partitionAssignment = replicas.map((of, partition) => ({ partition, replicas: of }));
    const protocol = requests.AlterPartitionReassignments!.protocol({ version: 0 })({
      topics: [{ topic, partitionAssignment }],
      timeout: 5_000,
    });
    if (protocol.request.apiKey !== REASSIGN)
      throw new Error(
        `kafkajs uses API key ${protocol.request.apiKey} for AlterPartitionReassignments, not ${REASSIGN}`,
      );
    const request = await fromKafkajs(protocol);
    await this.tryEach((wire) => wire.send(request));
  }

  /** Sends ElectLeaders version 0. */
  private async electPreferred(topic: string, partitions: number): Promise<void> {
    const encode = (headerBytes: number) => {
      const body = new Encoder().writeInt32(1).writeString(topic).writeInt32(partitions);
      for (let partition = 0; partition < partitions; partition++) body.writeInt32(partition);
      return behindHeader(headerBytes, body.writeInt32(10_000).buffer);
    };
    const protocol: Protocol<number> = {
      request: { apiKey: ELECT_LEADERS, apiVersion: 0, apiName: "ElectLeaders", encode },
      response: { decode: (body) => new Decoder(body).readInt32() },
    };
    await this.tryEach((wire) => wire.send(protocol));
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
