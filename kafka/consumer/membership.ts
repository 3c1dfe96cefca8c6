/**
 * Membership of a consumer group, in Kafka's classic protocol: join, receive partitions, send heartbeats.
 *
 * States:
 * - joining: keeps its partitions and processes them → stable, when the group's leader has assigned all partitions
 * - stable: owns its partitions → joining, when a heartbeat's response reports a rebalance
 * - unknown: the coordinator does not know the member. Others may own its partitions, so it gives up all of them.
 *   → joining, as a new member
 *
 * Heartbeats continue in every state, so a member that waits for others learns when it is no longer a member.
 */
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { partitionKey, partitionsOf, type TopicPartition } from "../log.ts";
import { BrokerError, errorAction, errorCodes, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection } from "../wire/connection.ts";
import { coordinatorType } from "../wire/protocol.ts";
import { retryRequest } from "../wire/retry-request.ts";
import { assign } from "./assign.ts";
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from "./subscription.ts";

/** Kafka rejects a member with another protocol, so all members of a group must run this implementation. */
const PROTOCOL = "lockstep-cooperative";
const PARTITION_COUNT_TIMEOUT_MS = 10_000;

/** The group and its timeouts, in milliseconds. */
export interface MembershipOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** The id of a static member (KIP-345), or null for a dynamic one. */
  readonly groupInstanceId: string | null;
  /** Time without a heartbeat after which the group reassigns this member's partitions. */
  readonly sessionTimeoutMs: number;
  /** Time that the group waits for its members to rejoin. */
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
}

/** The owner of the partitions. The membership calls it for each change, in order, and waits for it. */
export interface AssignmentListener {
  /** Keys of the partitions that it owns now. */
  readonly owned: () => readonly string[];
  /** Gets all partitions of this member. Those that it did not own before are new. */
  readonly onAssigned: (partitions: readonly TopicPartition[]) => Promise<void>;
  /** Stops reading, finishes and commits what is in flight. Must take less than the rebalance timeout. */
  readonly onRevoked: (partitionKeys: readonly string[]) => Promise<void>;
  /** The member may own no partition any more. */
  readonly onLost: () => void;
}

/** Identifies this member in one round of the group. Commits and heartbeats carry it. */
export interface Generation {
  /** Empty before the first join. */
  readonly memberId: string;
  /** Kafka's number of the round, or -1 before the first one. */
  readonly generationId: number;
}

const NO_GENERATION: Generation = { memberId: "", generationId: -1 };

/** Keeps this process a member of one group. */
export class Membership {
  private generation = NO_GENERATION;
  private joinConnection: Connection | undefined;
  private heartbeatAtMs = performance.now();
  /** Rejects with the reason when this member must join again. */
  private rejoinRequested = Promise.withResolvers<never>();

  constructor(
    readonly cluster: Cluster,
    readonly options: MembershipOptions,
    readonly listener: AssignmentListener,
    readonly signal: AbortSignal,
  ) {}

  get currentGeneration(): Generation {
    return this.generation;
  }

  /** Milliseconds since the coordinator last confirmed the membership. */
  heartbeatAgeMs = (): number => performance.now() - this.heartbeatAtMs;

  /** Stays a member until the signal aborts. @throws {BrokerError} when the brokers reject the member permanently. */
  async run(): Promise<void> {
    this.signal.addEventListener("abort", () => this.requestRejoin(this.signal.reason), { once: true });
    void this.sendHeartbeats();
    while (!this.signal.aborted) {
      try {
        await this.join();
        // Not before: a rebalance during the join concerns the old generation, and a rejoin would start another one.
        this.rejoinRequested = Promise.withResolvers();
        this.signal.throwIfAborted();
        await this.rejoinRequested.promise;
      } catch (error) {
        if (this.signal.aborted) return;
        await this.recover(error);
      }
    }
  }

  /** Leaves the group, which then reassigns the partitions at once. Never rejects. */
  async leave(): Promise<void> {
    const { group, groupInstanceId } = this.options;
    const { memberId } = this.generation;
    try {
      if (memberId)
        await this.cluster.withCoordinator(coordinatorType.group, group, (coordinator) =>
          coordinator.request("LeaveGroup", { groupId: group, memberId, groupInstanceId }),
        );
    } catch {
      // The group reassigns the partitions when the session expires.
    }
    this.joinConnection?.close();
  }

  private async recover(error: unknown): Promise<void> {
    const code = error instanceof BrokerError ? error.errorCode : undefined;
    if (code === errorCodes.REBALANCE_IN_PROGRESS) return;
    if (code === errorCodes.ILLEGAL_GENERATION || code === errorCodes.UNKNOWN_MEMBER_ID) {
      this.listener.onLost();
      if (code === errorCodes.UNKNOWN_MEMBER_ID) this.generation = NO_GENERATION;
      return;
    }
    if (errorAction(error) !== "retry") throw error;
    await sleepUnlessAborted(100 + Math.random() * 100, this.signal);
  }

  private async join(): Promise<void> {
    const { group, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs, topics } = this.options;
    // The broker handles nothing else on this connection while the group's members join.
    this.joinConnection?.close();
    const coordinator = await this.cluster.findCoordinator(coordinatorType.group, group);
    const connection = this.cluster.dedicatedConnection(coordinator);
    this.joinConnection = connection;
    const subscription = { generation: this.generation.generationId, owned: this.listener.owned() };
    const joined = await connection.request("JoinGroup", {
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      memberId: this.generation.memberId,
      groupInstanceId,
      protocolType: "consumer",
      groupProtocols: [{ name: PROTOCOL, metadata: encodeSubscription(topics, subscription) }],
    });
    if (joined.errorCode === errorCodes.MEMBER_ID_REQUIRED) {
      this.generation = { memberId: joined.memberId, generationId: -1 };
      return this.join();
    }
    throwOnError(joined.errorCode, `joining group ${group}`);
    this.generation = { memberId: joined.memberId, generationId: joined.generationId };
    const isLeader = joined.memberId === joined.leaderId;
    const synced = await connection.request("SyncGroup", {
      groupId: group,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId,
      groupAssignment: isLeader ? await this.assignPartitions(joined.members) : [],
    });
    throwOnError(synced.errorCode, `joining group ${group}`);
    this.heartbeatAtMs = performance.now();
    await this.applyAssignment(decodeAssignment(synced.memberAssignment));
  }

  private async assignPartitions(members: readonly { memberId: string; memberMetadata: Buffer }[]) {
    const partitions = await Promise.all(
      this.options.topics.map(async (topic) => {
        const options = { what: `finding topic ${topic}`, timeoutMs: PARTITION_COUNT_TIMEOUT_MS, signal: this.signal };
        return partitionsOf(topic, await retryRequest(options, () => this.cluster.partitionCount(topic)));
      }),
    );
    return [...assign(members.map(decodeSubscription), partitions.flat())].map(([memberId, assigned]) => ({
      memberId,
      memberAssignment: encodeAssignment(assigned),
    }));
  }

  /** @throws {BrokerError} REBALANCE_IN_PROGRESS after partitions were revoked: the next round gives them to others. */
  private async applyAssignment(assigned: readonly TopicPartition[]): Promise<void> {
    const keys = new Set(assigned.map(partitionKey));
    const revoked = this.listener.owned().filter((key) => !keys.has(key));
    if (revoked.length > 0) await this.listener.onRevoked(revoked);
    await this.listener.onAssigned(assigned);
    if (revoked.length > 0)
      throw new BrokerError(errorCodes.REBALANCE_IN_PROGRESS, `joining group ${this.options.group}`);
  }

  private requestRejoin(reason: unknown): void {
    this.rejoinRequested.promise.catch(() => {});
    this.rejoinRequested.reject(reason);
  }

  private async sendHeartbeats(): Promise<void> {
    while (!this.signal.aborted) {
      await sleepUnlessAborted(this.options.heartbeatIntervalMs, this.signal);
      if (this.generation.generationId >= 0) await this.heartbeat(this.generation);
    }
  }

  private async heartbeat(generation: Generation): Promise<void> {
    const { group, groupInstanceId } = this.options;
    const { memberId, generationId } = generation;
    try {
      const { errorCode } = await this.cluster.withCoordinator(coordinatorType.group, group, (coordinator) =>
        coordinator.request("Heartbeat", {
          groupId: group,
          memberId,
          groupGenerationId: generationId,
          groupInstanceId,
        }),
      );
      // The member has joined again meanwhile, so the response is out of date.
      if (generation !== this.generation) return;
      if (errorCode === 0 || errorCode === errorCodes.REBALANCE_IN_PROGRESS) this.heartbeatAtMs = performance.now();
      throwOnError(errorCode, `heartbeat to group ${group}`);
    } catch (error) {
      // While the coordinator is unavailable or moves, the member keeps its partitions.
      if (errorAction(error) === "retry") return;
      // Not only after a rejoin: a join in progress may hang on a dead connection, and others own the partitions now.
      if (error instanceof BrokerError && error.errorCode === errorCodes.UNKNOWN_MEMBER_ID) this.listener.onLost();
      this.requestRejoin(error);
    }
  }
}
