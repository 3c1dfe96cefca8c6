/**
 * Sends encoded batches to brokers. A broker handles the produce requests of one connection one at a time and responds
 * when all replicas have the batches. So the sender uses a few connections per broker, each with one request in flight.
 * Batches that become ready meanwhile share the next request.
 */
import { partitionKey } from "../log.ts";
import { NoBrokerError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection, Node } from "../wire/connection.ts";
import { type ProducePartition, type ProduceResponse, produceRequest } from "../wire/produce-request.ts";

const CONNECTIONS_PER_BROKER = 3;
/**
 * While a request is in flight, new batches wait this long for its response, in milliseconds. Then they go together on
 * the same connection. A slow request does not delay them further: they go on another connection.
 */
const MAX_GATHER_MS = 5;
/** Limit for the batches of one request. A single larger batch gets a request of its own. */
const MAX_REQUEST_BYTES = 4_000_000;
/** How long a broker waits for its replicas. Shorter than the response timeout, so that its response comes first. */
const ACK_TIMEOUT_MS = 4_000;
/** Time between two checks of leaders, in milliseconds. A request is checked when an earlier check has seen it. */
const LEADER_CHECK_MS = 1_000;

interface PendingBatch {
  readonly part: ProducePartition;
  readonly resolve: (response: ProduceResponse) => void;
  readonly reject: (error: unknown) => void;
}

interface RequestInFlight {
  readonly batches: readonly PendingBatch[];
  /** True after the first leader check since it was sent. */
  isOld: boolean;
}

/** All writers of a process share one sender. */
export class Sender {
  private readonly brokers = new Map<string, BrokerSender>();
  private readonly byNode = new WeakMap<Node, BrokerSender>();
  private leaderCheck: Timer | undefined;

  constructor(readonly cluster: Cluster) {}

  /**
   * Sends a batch to a broker.
   *
   * @returns the broker's response, which may be an error code.
   * @throws {Error} a connection error: the batch may or may not be stored.
   * @throws {NoBrokerError} when the partition has another leader now: the batch may or may not be stored.
   */
  send(node: Node, part: ProducePartition): Promise<ProduceResponse> {
    return (this.byNode.get(node) ?? this.brokerOf(node)).send(part);
  }

  /** Closes all connections. */
  close(): void {
    clearInterval(this.leaderCheck);
    for (const broker of this.brokers.values()) broker.close();
  }

  private brokerOf(node: Node): BrokerSender {
    const key = `${node.id} ${node.host}:${node.port}`;
    let broker = this.brokers.get(key);
    if (!broker) {
      broker = new BrokerSender(node, this.cluster, () => this.startLeaderCheck());
      this.brokers.set(key, broker);
    }
    this.byNode.set(node, broker);
    return broker;
  }

  /** One timer serves all requests. It stops when none is in flight. */
  private startLeaderCheck(): void {
    this.leaderCheck ??= setInterval(() => {
      const brokers = [...this.brokers.values()];
      if (brokers.some((broker) => broker.isWaiting)) for (const broker of brokers) broker.checkLeaders();
      else {
        clearInterval(this.leaderCheck);
        this.leaderCheck = undefined;
      }
    }, LEADER_CHECK_MS);
    this.leaderCheck.unref?.();
  }
}

class BrokerSender {
  private readonly connections: readonly Connection[];
  private readonly idle: Connection[];
  private readonly inFlight = new Set<RequestInFlight>();
  private pending: PendingBatch[] = [];
  private isFlushScheduled = false;
  private gatherTimer: Timer | undefined;

  constructor(
    readonly node: Node,
    readonly cluster: Cluster,
    private readonly onRequest: () => void,
  ) {
    this.connections = Array.from({ length: CONNECTIONS_PER_BROKER }, () => cluster.dedicatedConnection(node));
    this.idle = [...this.connections];
  }

  /** True while a response is pending. */
  get isWaiting(): boolean {
    return this.inFlight.size > 0;
  }

  send(part: ProducePartition): Promise<ProduceResponse> {
    return new Promise((resolve, reject) => {
      this.pending.push({ part, resolve, reject });
      this.scheduleFlush();
    });
  }

  close(): void {
    clearTimeout(this.gatherTimer);
    for (const connection of this.connections) connection.close();
  }

  /** Looks up the leaders of the requests that were already in flight at the last check. */
  checkLeaders(): void {
    const old = [...this.inFlight].filter((request) => request.isOld);
    for (const request of this.inFlight) request.isOld = true;
    if (old.length > 0) void this.rejectMoved(old);
  }

  /**
   * Batches of several partitions that become ready in the same turn of the event loop share a request. A microtask
   * would be too early: the code of each partition may take a different number of them.
   */
  private scheduleFlush(): void {
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    setImmediate(() => {
      this.isFlushScheduled = false;
      if (this.inFlight.size === 0) this.flush();
      else
        this.gatherTimer ??= setTimeout(() => {
          this.gatherTimer = undefined;
          this.flush();
        }, MAX_GATHER_MS);
    });
  }

  private flush(): void {
    while (this.pending.length > 0 && this.idle.length > 0) void this.sendRequest(this.idle.pop()!, this.takeRequest());
  }

  /**
   * Takes the batches of the next request. A partition has at most one, because a broker would store one of two and
   * respond for both. All have the same transactional id, because a request names one.
   */
  private takeRequest(): PendingBatch[] {
    const taken = new Map<string, PendingBatch>();
    const remaining: PendingBatch[] = [];
    const transactionalId = this.pending[0]?.part.transactionalId;
    let bytes = 0;
    for (const pending of this.pending) {
      const key = partitionKey(pending.part);
      const fits = taken.size === 0 || bytes + pending.part.batch.length <= MAX_REQUEST_BYTES;
      if (taken.has(key) || !fits || pending.part.transactionalId !== transactionalId) remaining.push(pending);
      else {
        taken.set(key, pending);
        bytes += pending.part.batch.length;
      }
    }
    this.pending = remaining;
    return [...taken.values()];
  }

  private async sendRequest(connection: Connection, batches: readonly PendingBatch[]): Promise<void> {
    const request: RequestInFlight = { batches, isOld: false };
    this.inFlight.add(request);
    this.onRequest();
    try {
      const parts = batches.map(({ part }) => part);
      const responses = await connection.send(produceRequest(parts, ACK_TIMEOUT_MS));
      const byKey = new Map(responses.map((response) => [partitionKey(response), response]));
      for (const { part, resolve, reject } of batches) {
        const response = byKey.get(partitionKey(part));
        if (response) resolve(response);
        else reject(new NoBrokerError(`broker ${this.node.id} returned nothing for ${partitionKey(part)}`));
      }
    } catch (error) {
      // The pending batches are rejected too. On another connection they would only time out as well; their writers
      // look up the leader first.
      for (const { reject } of [...batches, ...this.pending.splice(0)]) reject(error);
    } finally {
      this.inFlight.delete(request);
      this.idle.push(connection);
      if (this.pending.length > 0) this.scheduleFlush();
    }
  }

  /**
   * Rejects the batches whose partitions have another leader now, so that their writers send them there at once. A
   * suspended or disconnected broker does not report that it is no longer the leader. If it handles the old request
   * later, the request is rejected or recognized by its sequence number.
   */
  private async rejectMoved(requests: readonly RequestInFlight[]): Promise<void> {
    await this.cluster.refresh().catch(() => {});
    for (const { part, reject } of requests.flatMap(({ batches }) => batches)) {
      const leader = this.cluster.knownLeader(part);
      if (leader && leader.id !== this.node.id)
        reject(
          new NoBrokerError(`the leader of ${partitionKey(part)} is broker ${leader.id} now, not ${this.node.id}`),
        );
    }
  }
}
