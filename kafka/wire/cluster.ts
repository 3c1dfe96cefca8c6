/**
 * What we know of the brokers: which there are, who leads each partition, who coordinates each name. kafkajs' own view of
 * the cluster is not used: it refuses all metadata while one single partition has no leader, and goes on using a
 * connection that timed out.
 */
import type { TopicPartition } from "../log.ts";
import { BrokerError, NoBrokerError, throwOnError } from "./broker-errors.ts";
import { Connection, type ConnectionOptions, type Node } from "./connection.ts";
import { firstAnswer } from "./patience.ts";
import type { Requests } from "./protocol.ts";

type CoordinatorType = Requests["GroupCoordinator"]["args"]["coordinatorType"];

const HEDGE_MS = 1_000;

export class Cluster {
  private readonly seeds: readonly Connection[];
  private readonly wires = new Map<number, Connection>();
  /** Topic to leaders' broker ids by partition; -1 while a partition has none. */
  private readonly leaders = new Map<string, readonly number[]>();
  private readonly coordinators = new Map<string, number>();
  private controllerId = -1;
  private id = "";
  private topics = new Set<string>();
  private refreshing: Promise<void> | undefined;
  private lastAnswered: Connection | undefined;

  /** @param brokers host:port each; at least one must be reachable when it is first needed. */
  constructor(
    brokers: readonly string[],
    readonly settings: ConnectionOptions,
  ) {
    this.seeds = brokers.map((address) => {
      const colon = address.lastIndexOf(":");
      return new Connection(
        { id: -1, host: address.slice(0, colon), port: Number(address.slice(colon + 1)) },
        settings,
      );
    });
  }

  /**
   * The broker that leads a partition, as far as known.
   *
   * @throws {NoBrokerError} when there is no such topic, or no leader now; asking again may help.
   */
  async leader(at: TopicPartition): Promise<Node> {
    if (!this.topics.has(at.topic)) await this.refresh(at.topic);
    const leader = this.knownLeader(at);
    if (!leader) throw new NoBrokerError(`${at.topic}/${at.partition} has no leader at the moment`);
    return leader;
  }

  /** The same without asking anyone. The object is the same one as long as the broker's address is. */
  knownLeader(at: TopicPartition): Node | undefined {
    return this.wires.get(this.leaders.get(at.topic)?.[at.partition] ?? -1)?.node;
  }

  /**
   * Number of partitions of a topic.
   *
   * @throws {BrokerError} UNKNOWN_TOPIC_OR_PARTITION, or why the brokers do not tell.
   */
  async partitions(topic: string): Promise<number> {
    if (!this.leaders.has(topic)) await this.refresh(topic);
    const leaders = this.leaders.get(topic);
    if (!leaders) throw new BrokerError(3, `topic ${topic}`);
    return leaders.length;
  }

  /** Asks who leads what, anew. Calls at the same time share one question. */
  async refresh(topic?: string): Promise<void> {
    // A question that is under way does not name a topic that is new to us: ours comes after it.
    if (topic !== undefined && !this.topics.has(topic)) {
      this.topics.add(topic);
      await this.refreshing?.catch(() => {});
    }
    this.refreshing ??= this.ask().finally(() => {
      this.refreshing = undefined;
    });
    await this.refreshing;
  }

  /**
   * Whether the brokers are Redpanda, as far as known: its cluster ids begin so, for clients to tell.
   *
   * @see redpanda, src/v/kafka/server/handlers/metadata.cc
   */
  get isRedpanda(): boolean {
    return this.id.startsWith("redpanda.");
  }

  /** The broker to ask for new topics. */
  async controller(): Promise<Connection> {
    await this.refresh();
    return this.wire(this.controllerId);
  }

  /** Asks anew, and says whether every partition of the topic now has a leader. */
  async led(topic: string): Promise<boolean> {
    this.topics.add(topic);
    await this.refresh();
    return this.leaders.get(topic)?.every((leader) => this.wires.has(leader)) ?? false;
  }

  /** The connection that is shared for short questions to a broker. */
  wire(id: number): Connection {
    const wire = this.wires.get(id);
    if (!wire) throw new NoBrokerError(`broker ${id} is not part of the cluster at the moment`);
    return wire;
  }

  /** A connection to a broker for one use alone; whoever asks for it closes it. */
  dedicatedConnection(node: Node): Connection {
    return new Connection(node, this.settings);
  }

  /** Carries out `ask` at the coordinator of a name, which is found first and forgotten when `ask` fails. */
  async atCoordinator<T>(type: CoordinatorType, name: string, ask: (wire: Connection) => Promise<T>): Promise<T> {
    const cached = `${type} ${name}`;
    try {
      return await ask(this.wire(this.coordinators.get(cached) ?? (await this.coordinator(type, name)).id));
    } catch (error) {
      this.coordinators.delete(cached);
      throw error;
    }
  }

  /** Asks which broker coordinates a consumer group (0) or a transactional id (1). */
  async coordinator(type: CoordinatorType, name: string): Promise<Node> {
    if (this.wires.size === 0) await this.refresh();
    const answer = await this.anyWire((wire) =>
      wire.request("GroupCoordinator", { groupId: name, coordinatorType: type }),
    );
    throwOnError(answer.errorCode, `coordinator of ${name}`);
    const { nodeId, host, port } = answer.coordinator;
    if (!this.wires.has(nodeId)) this.wires.set(nodeId, new Connection({ id: nodeId, host, port }, this.settings));
    this.coordinators.set(`${type} ${name}`, nodeId);
    return this.wire(nodeId).node;
  }

  close(): void {
    for (const wire of [...this.seeds, ...this.wires.values()]) wire.close();
  }

  private async ask(): Promise<void> {
    const topics = [...this.topics];
    const answer = await this.anyWire((wire) => wire.request("Metadata", { topics, allowAutoTopicCreation: false }));
    this.takeBrokers(answer.brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })));
    this.controllerId = answer.controllerId;
    this.id = answer.clusterId ?? "";
    for (const { topic, topicErrorCode, partitionMetadata } of answer.topicMetadata) {
      if (topicErrorCode !== 0) this.leaders.delete(topic);
      else {
        const leaders: number[] = Array.from({ length: partitionMetadata.length }, () => -1);
        for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
        this.leaders.set(topic, leaders);
      }
    }
  }

  private takeBrokers(nodes: readonly Node[]): void {
    for (const [id, wire] of this.wires) {
      const now = nodes.find((node) => node.id === id);
      if (now && now.host === wire.node.host && now.port === wire.node.port) continue;
      wire.close();
      this.wires.delete(id);
    }
    for (const node of nodes)
      if (!this.wires.has(node.id)) this.wires.set(node.id, new Connection(node, this.settings));
  }

  /**
   * Asks one broker after the other until one answers: first the one that did last, at the end the settings' addresses. One
   * that is silent is not waited out: after a second the next is asked as well.
   */
  private async anyWire<T>(ask: (wire: Connection) => Promise<T>): Promise<T> {
    const known = [...this.wires.values()].sort(() => Math.random() - 0.5);
    const wires = new Set([...(this.lastAnswered ? [this.lastAnswered] : []), ...known, ...this.seeds]);
    const attempts = [...wires].map((wire) => async () => {
      const answer = await ask(wire);
      this.lastAnswered = wire;
      return answer;
    });
    try {
      return await firstAnswer(attempts, HEDGE_MS);
    } catch (error) {
      this.lastAnswered = undefined;
      throw new NoBrokerError(`no broker answers: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
}
