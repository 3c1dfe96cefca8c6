/**
 * Carries encoded batches to brokers. A broker answers the produce requests of one connection one at a time, in order, and
 * only when all replicas have them; so each broker gets a few connections ("lanes"), each with one request under way, and
 * whatever has become ready meanwhile travels together in the next one.
 */

import { partitionKey } from "../log.ts";
import { NoBrokerError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection, Node } from "../wire/connection.ts";
import { type ProducePartition, type ProduceResponse, produceRequest } from "../wire/protocol.ts";

const LANES = 3;
/** Most bytes of batches in one request, unless a single batch is larger. */
const REQUEST_BYTES = 4_000_000;
/** How long a broker may wait for its replicas; shorter than the sockets' patience, so that its answer comes first. */
const REPLICAS_MS = 4_000;
/** An answer that takes this long makes us ask whether the broker still leads, and again after as long. */
const LATE_MS = 1_000;

interface Parcel {
  readonly part: ProducePartition;
  readonly resolve: (answer: ProduceResponse) => void;
  readonly reject: (error: unknown) => void;
}

export class Sender {
  private readonly brokers = new Map<string, BrokerSender>();

  constructor(readonly cluster: Cluster) {}

  /**
   * Sends a batch to a broker.
   *
   * @returns the broker's answer for it, which may be an error code.
   * @throws a connection error when it is not known whether the batch was stored.
   */
  send(node: Node, part: ProducePartition): Promise<ProduceResponse> {
    const key = `${node.id} ${node.host}:${node.port}`;
    let broker = this.brokers.get(key);
    if (!broker) {
      broker = new BrokerSender(node, this.cluster);
      this.brokers.set(key, broker);
    }
    return broker.send(part);
  }

  close(): void {
    for (const broker of this.brokers.values()) broker.close();
  }
}

class BrokerSender {
  private readonly lanes: readonly Connection[];
  private readonly idle: Connection[];
  private waiting: Parcel[] = [];
  private flushing = false;

  constructor(
    readonly node: Node,
    readonly cluster: Cluster,
  ) {
    this.lanes = Array.from({ length: LANES }, () => cluster.dedicatedConnection(node));
    this.idle = [...this.lanes];
  }

  send(part: ProducePartition): Promise<ProduceResponse> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ part, resolve, reject });
      this.plan();
    });
  }

  close(): void {
    for (const lane of this.lanes) lane.close();
  }

  /** Writes to several partitions that begin in the same turn of the event loop leave together. */
  private plan(): void {
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => {
      this.flushing = false;
      while (this.waiting.length > 0 && this.idle.length > 0) void this.carry(this.idle.pop()!, this.take());
    });
  }

  /**
   * Never two batches of one partition in a request: a broker would keep one of them and answer for both. And only what is
   * of the same transactional id, or of none: a request names one.
   */
  private take(): Parcel[] {
    const taken = new Map<string, Parcel>();
    const left: Parcel[] = [];
    const transactionalId = this.waiting[0]?.part.transactionalId;
    let bytes = 0;
    for (const parcel of this.waiting) {
      const name = partitionKey(parcel.part);
      const fits = taken.size === 0 || bytes + parcel.part.batch.length <= REQUEST_BYTES;
      if (taken.has(name) || !fits || parcel.part.transactionalId !== transactionalId) left.push(parcel);
      else {
        taken.set(name, parcel);
        bytes += parcel.part.batch.length;
      }
    }
    this.waiting = left;
    return [...taken.values()];
  }

  private async carry(lane: Connection, parcels: readonly Parcel[]): Promise<void> {
    const late = setInterval(() => void this.giveUpMoved(parcels), LATE_MS);
    try {
      const parts = parcels.map(({ part }) => part);
      const answers = await lane.send(produceRequest(parts, REPLICAS_MS));
      const byName = new Map(answers.map((answer) => [partitionKey(answer), answer]));
      for (const { part, resolve, reject } of parcels) {
        const answer = byName.get(partitionKey(part));
        if (answer) resolve(answer);
        else reject(new NoBrokerError(`broker ${this.node.id} said nothing about ${partitionKey(part)}`));
      }
    } catch (error) {
      // What waits for a lane of this broker would only wait for the same again: it asks first who leads now.
      for (const { reject } of [...parcels, ...this.waiting.splice(0)]) reject(error);
    } finally {
      clearInterval(late);
      this.idle.push(lane);
      if (this.waiting.length > 0) this.plan();
    }
  }

  /**
   * A broker that is suspended or cut off does not say that it no longer leads. What leads elsewhere by now is sent there
   * without waiting for this connection's end; should the old request still arrive, it is refused or known by its sequence.
   */
  private async giveUpMoved(parcels: readonly Parcel[]): Promise<void> {
    await this.cluster.refresh().catch(() => {});
    for (const { part, reject } of parcels) {
      const leader = this.cluster.knownLeader(part);
      if (leader && leader.id !== this.node.id)
        reject(new NoBrokerError(`${partitionKey(part)} is led by broker ${leader.id} now, not ${this.node.id}`));
    }
  }
}
