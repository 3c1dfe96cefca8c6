/**
 * The client's knowledge of the cluster: its brokers, the leader of each partition, the coordinator of each group and
 * transactional id. kafkajs' own cluster view is not used: it rejects all metadata while a single partition has no
 * leader, and keeps using a connection after a timeout.
 */
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import { firstSuccess } from "../../platform/async/first-success.ts";
import { partitionKey, type TopicPartition } from "../log.ts";
import { BrokerError, errorCodes, NoBrokerError, throwOnError } from "./broker-errors.ts";
import { Connection, type ConnectionOptions, type Node } from "./connection.ts";
import type { Requests } from "./protocol.ts";
import { TOPIC_IDS_VERSION, topicIdsRequest } from "./topic-ids-request.ts";

type CoordinatorType = Requests["GroupCoordinator"]["request"]["coordinatorType"];

/** After this long without a response, the next broker gets the same request. */
const HEDGE_MS = 1_000;
const NO_LEADER = -1;

/** Caches what the brokers report. `refresh` updates it. */
export class Cluster {
  private readonly bootstrapConnections: readonly Connection[];
  private readonly connections = new Map<number, Connection>();
  /** By topic: the leader's broker id for each partition, or `NO_LEADER`. */
  private readonly leaders = new Map<string, readonly number[]>();
  private readonly coordinators = new Map<string, number>();
  private controllerId = -1;
  private clusterId = "";
  private topics = new Set<string>();
  private refreshing: Promise<void> | undefined;
  private lastResponsive: Connection | undefined;

  /** @param brokers `host:port` each. At least one must be reachable at the first request. */
  constructor(
    brokers: readonly string[],
    readonly options: ConnectionOptions,
  ) {
    this.bootstrapConnections = brokers.map((address) => {
      const colon = address.lastIndexOf(":");
      const node = { id: -1, host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
      return new Connection(node, options);
    });
  }

  /**
   * Returns the leader of a partition, from the cache when the topic is known.
   *
   * @throws {NoBrokerError} when the topic does not exist or the partition has no leader now.
   */
  async leader(topicPartition: TopicPartition): Promise<Node> {
    if (!this.topics.has(topicPartition.topic)) await this.refresh(topicPartition.topic);
    const leader = this.knownLeader(topicPartition);
    if (!leader) throw new NoBrokerError(`${partitionKey(topicPartition)} has no leader at the moment`);
    return leader;
  }

  /** Returns the leader from the cache only. The object stays the same while the broker's address does. */
  knownLeader({ topic, partition }: TopicPartition): Node | undefined {
    return this.connections.get(this.leaders.get(topic)?.[partition] ?? NO_LEADER)?.node;
  }

  /**
   * Returns the number of partitions of a topic.
   *
   * @throws {BrokerError} UNKNOWN_TOPIC_OR_PARTITION when the brokers do not report the topic.
   * @throws {NoBrokerError} when no broker responds.
   */
  async partitionCount(topic: string): Promise<number> {
    if (!this.leaders.has(topic)) await this.refresh(topic);
    const leaders = this.leaders.get(topic);
    if (!leaders) throw new BrokerError(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, `finding topic ${topic}`);
    return leaders.length;
  }

  /** Updates the metadata. Concurrent calls share one request. @throws {NoBrokerError} when no broker responds. */
  async refresh(topic?: string): Promise<void> {
    // A request in flight does not include a new topic, so wait for it and send another one.
    if (topic !== undefined && !this.topics.has(topic)) {
      this.topics.add(topic);
      await this.refreshing?.catch(() => {});
    }
    this.refreshing ??= this.fetchMetadata().finally(() => {
      this.refreshing = undefined;
    });
    await this.refreshing;
  }

  /**
   * True when the brokers are Redpanda, as far as the metadata shows: Redpanda's cluster ids have this prefix.
   *
   * @see redpanda, src/v/kafka/server/handlers/metadata.cc
   */
  get isRedpanda(): boolean {
    return this.clusterId.startsWith("redpanda.");
  }

  /**
   * Updates the metadata and returns a connection to the controller.
   *
   * @throws {NoBrokerError} when it is unreachable.
   */
  async controller(): Promise<Connection> {
    await this.refresh();
    return this.connection(this.controllerId);
  }

  /** Updates the metadata. @returns true when every partition of the topic has a leader. */
  async hasAllLeaders(topic: string): Promise<boolean> {
    this.topics.add(topic);
    await this.refresh();
    return this.leaders.get(topic)?.every((leader) => this.connections.has(leader)) ?? false;
  }

  /** Returns the shared connection to a broker, for short requests. @throws {NoBrokerError} for an unknown broker. */
  connection(brokerId: number): Connection {
    const connection = this.connections.get(brokerId);
    if (!connection) throw new NoBrokerError(`broker ${brokerId} is not part of the cluster at the moment`);
    return connection;
  }

  /** Returns a new connection for one purpose. The caller closes it. */
  dedicatedConnection(node: Node): Connection {
    return new Connection(node, this.options);
  }

  /**
   * Sends a request to the coordinator of a name. Any failure removes the coordinator from the cache.
   *
   * @throws whatever `send` throws; {@link BrokerError} or {@link NoBrokerError} when there is no coordinator.
   */
  async withCoordinator<T>(
    type: CoordinatorType,
    name: string,
    send: (coordinator: Connection) => Promise<T>,
  ): Promise<T> {
    const cacheKey = `${type} ${name}`;
    try {
      const brokerId = this.coordinators.get(cacheKey) ?? (await this.findCoordinator(type, name)).id;
      return await send(this.connection(brokerId));
    } catch (error) {
      this.coordinators.delete(cacheKey);
      throw error;
    }
  }

  /** Asks the brokers for the coordinator of a name. @throws {BrokerError} or {NoBrokerError} when there is none. */
  async findCoordinator(type: CoordinatorType, name: string): Promise<Node> {
    if (this.connections.size === 0) await this.refresh();
    const response = await this.requestFromAny((connection) =>
      connection.request("GroupCoordinator", { groupId: name, coordinatorType: type }),
    );
    throwOnError(response.errorCode, `finding the coordinator of ${name}`);
    const { nodeId, host, port } = response.coordinator;
    if (!this.connections.has(nodeId)) this.addConnection({ id: nodeId, host, port });
    this.coordinators.set(`${type} ${name}`, nodeId);
    return this.connection(nodeId).node;
  }

  /**
   * Returns the identity of each topic that exists, by name. A topic that is created again has another one. It is empty
   * when the brokers have none (Apache Kafka before 2.8, Redpanda).
   *
   * @throws {BrokerError} when a broker rejects a topic. @throws {NoBrokerError} when no broker responds.
   */
  async topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = await this.requestFromAny(async (connection) =>
      (await connection.maxVersion(apiKeys.Metadata!)) >= TOPIC_IDS_VERSION
        ? connection.send(topicIdsRequest(topics))
        : undefined,
    );
    if (!found) {
      for (const topic of topics) await this.refresh(topic);
      return new Map(topics.filter((topic) => this.leaders.has(topic)).map((topic) => [topic, ""]));
    }
    const existing = found.filter(({ errorCode }) => errorCode !== errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
    // A topic without a leader has its identity.
    for (const { errorCode, topic } of existing)
      if (errorCode !== errorCodes.LEADER_NOT_AVAILABLE) throwOnError(errorCode, `finding topic ${topic}`);
    return new Map(existing.map(({ topic, id }) => [topic, id]));
  }

  /** Closes all shared connections. */
  close(): void {
    for (const connection of [...this.bootstrapConnections, ...this.connections.values()]) connection.close();
  }

  private async fetchMetadata(): Promise<void> {
    const topics = [...this.topics];
    const response = await this.requestFromAny((connection) =>
      connection.request("Metadata", { topics, allowAutoTopicCreation: false }),
    );
    this.updateConnections(response.brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })));
    this.controllerId = response.controllerId;
    this.clusterId = response.clusterId ?? "";
    for (const { topic, topicErrorCode, partitionMetadata } of response.topicMetadata) {
      if (topicErrorCode !== 0) this.leaders.delete(topic);
      else {
        const leaders: number[] = Array.from({ length: partitionMetadata.length }, () => NO_LEADER);
        for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
        this.leaders.set(topic, leaders);
      }
    }
  }

  private updateConnections(nodes: readonly Node[]): void {
    for (const [id, connection] of this.connections) {
      const node = nodes.find((each) => each.id === id);
      if (node && node.host === connection.node.host && node.port === connection.node.port) continue;
      connection.close();
      this.connections.delete(id);
    }
    for (const node of nodes) if (!this.connections.has(node.id)) this.addConnection(node);
  }

  private addConnection(node: Node): void {
    this.connections.set(node.id, new Connection(node, this.options));
  }

  /**
   * Sends a request to one broker after the other until one responds. The order is: the broker that responded last, all
   * known brokers at random, the configured addresses. After a second without a response, the next broker is asked too.
   */
  private async requestFromAny<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
    const known = [...this.connections.values()].sort(() => Math.random() - 0.5);
    const first = this.lastResponsive ? [this.lastResponsive] : [];
    const attempts = [...new Set([...first, ...known, ...this.bootstrapConnections])].map((connection) => async () => {
      const response = await send(connection);
      this.lastResponsive = connection;
      return response;
    });
    try {
      return await firstSuccess(attempts, HEDGE_MS);
    } catch (error) {
      this.lastResponsive = undefined;
      const reason = error instanceof Error ? error.message : String(error);
      throw new NoBrokerError(`no broker responds: ${reason}`, { cause: error });
    }
  }
}
