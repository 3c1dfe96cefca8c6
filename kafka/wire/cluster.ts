/**
 * What we know of the brokers: which there are, who leads each partition, who coordinates each name. kafkajs' own view of
 * the cluster is not used: it refuses all metadata while one single partition has no leader, and goes on using a
 * connection that timed out.
 */

import { firstSuccess } from "../../platform/async/first-success.ts";
import type { TopicPartition } from "../log.ts";
import { BrokerError, NoBrokerError, throwOnError } from "./broker-errors.ts";
import { Connection, type ConnectionOptions, type Node } from "./connection.ts";
import type { Requests } from "./protocol.ts";

type CoordinatorType = Requests["GroupCoordinator"]["args"]["coordinatorType"];

const HEDGE_MS = 1_000;

export class Cluster {
  private readonly bootstrapConnections: readonly Connection[];
  private readonly connections = new Map<number, Connection>();
  /** Topic to leaders' broker ids by partition; -1 while a partition has none. */
  private readonly leaders = new Map<string, readonly number[]>();
  private readonly coordinators = new Map<string, number>();
  private controllerId = -1;
  private clusterId = "";
  private topics = new Set<string>();
  private refreshing: Promise<void> | undefined;
  private lastResponsive: Connection | undefined;

  /** @param brokers host:port each; at least one must be reachable when it is first needed. */
  constructor(
    brokers: readonly string[],
    readonly options: ConnectionOptions,
  ) {
    this.bootstrapConnections = brokers.map((address) => {
      const colon = address.lastIndexOf(":");
      return new Connection({ id: -1, host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }, options);
    });
  }

  /**
   * The broker that leads a partition, as far as known.
   *
   * @throws {NoBrokerError} when there is no such topic, or no leader now; asking again may help.
   */
  async leader(topicPartition: TopicPartition): Promise<Node> {
    if (!this.topics.has(topicPartition.topic)) await this.refresh(topicPartition.topic);
    const leader = this.knownLeader(topicPartition);
    if (!leader)
      throw new NoBrokerError(`${topicPartition.topic}/${topicPartition.partition} has no leader at the moment`);
    return leader;
  }

  /** The same without asking anyone. The object is the same one as long as the broker's address is. */
  knownLeader(topicPartition: TopicPartition): Node | undefined {
    return this.connections.get(this.leaders.get(topicPartition.topic)?.[topicPartition.partition] ?? -1)?.node;
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
    return this.clusterId.startsWith("redpanda.");
  }

  /** The broker to ask for new topics. */
  async controller(): Promise<Connection> {
    await this.refresh();
    return this.connection(this.controllerId);
  }

  /** Asks anew, and says whether every partition of the topic now has a leader. */
  async hasAllLeaders(topic: string): Promise<boolean> {
    this.topics.add(topic);
    await this.refresh();
    return this.leaders.get(topic)?.every((leader) => this.connections.has(leader)) ?? false;
  }

  /** The connection that is shared for short questions to a broker. */
  connection(id: number): Connection {
    const wire = this.connections.get(id);
    if (!wire) throw new NoBrokerError(`broker ${id} is not part of the cluster at the moment`);
    return wire;
  }

  /** A connection to a broker for one use alone; whoever asks for it closes it. */
  dedicatedConnection(node: Node): Connection {
    return new Connection(node, this.options);
  }

  /** Carries out `ask` at the coordinator of a name, which is found first and forgotten when `ask` fails. */
  async withCoordinator<T>(
    type: CoordinatorType,
    name: string,
    fetchMetadata: (wire: Connection) => Promise<T>,
  ): Promise<T> {
    const cached = `${type} ${name}`;
    try {
      return await fetchMetadata(
        this.connection(this.coordinators.get(cached) ?? (await this.findCoordinator(type, name)).id),
      );
    } catch (error) {
      this.coordinators.delete(cached);
      throw error;
    }
  }

  /** Asks which broker coordinates a consumer group (0) or a transactional id (1). */
  async findCoordinator(type: CoordinatorType, name: string): Promise<Node> {
    if (this.connections.size === 0) await this.refresh();
    const answer = await this.requestFromAny((wire) =>
      wire.request("GroupCoordinator", { groupId: name, coordinatorType: type }),
    );
    throwOnError(answer.errorCode, `coordinator of ${name}`);
    const { nodeId, host, port } = answer.coordinator;
    if (!this.connections.has(nodeId))
      this.connections.set(nodeId, new Connection({ id: nodeId, host, port }, this.options));
    this.coordinators.set(`${type} ${name}`, nodeId);
    return this.connection(nodeId).node;
  }

  close(): void {
    for (const wire of [...this.bootstrapConnections, ...this.connections.values()]) wire.close();
  }

  private async ask(): Promise<void> {
    const topics = [...this.topics];
    const answer = await this.requestFromAny((wire) =>
      wire.request("Metadata", { topics, allowAutoTopicCreation: false }),
    );
    this.updateConnections(answer.brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })));
    this.controllerId = answer.controllerId;
    this.clusterId = answer.clusterId ?? "";
    for (const { topic, topicErrorCode, partitionMetadata } of answer.topicMetadata) {
      if (topicErrorCode !== 0) this.leaders.delete(topic);
      else {
        const leaders: number[] = Array.from({ length: partitionMetadata.length }, () => -1);
        for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
        this.leaders.set(topic, leaders);
      }
    }
  }

  private updateConnections(nodes: readonly Node[]): void {
    for (const [id, wire] of this.connections) {
      const now = nodes.find((node) => node.id === id);
      if (now && now.host === wire.node.host && now.port === wire.node.port) continue;
      wire.close();
      this.connections.delete(id);
    }
    for (const node of nodes)
      if (!this.connections.has(node.id)) this.connections.set(node.id, new Connection(node, this.options));
  }

  /**
   * Asks one broker after the other until one answers: first the one that did last, at the end the settings' addresses. One
   * that is silent is not waited out: after a second the next is asked as well.
   */
  private async requestFromAny<T>(ask: (wire: Connection) => Promise<T>): Promise<T> {
    const known = [...this.connections.values()].sort(() => Math.random() - 0.5);
    const wires = new Set([
      ...(this.lastResponsive ? [this.lastResponsive] : []),
      ...known,
      ...this.bootstrapConnections,
    ]);
    const attempts = [...wires].map((wire) => async () => {
      const answer = await ask(wire);
      this.lastResponsive = wire;
      return answer;
    });
    try {
      return await firstSuccess(attempts, HEDGE_MS);
    } catch (error) {
      this.lastResponsive = undefined;
      throw new NoBrokerError(`no broker answers: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
}
