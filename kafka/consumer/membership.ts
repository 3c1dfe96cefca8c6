/**
 * Membership of a consumer group, in Kafka's classic protocol: join, learn one's partitions, say regularly that one lives.
 *
 * States, and what leaves each:
 * - joining: owns what it owned before, and goes on with it → settled, when the group's leader has decided
 * - settled: owns its partitions → joining, when a heartbeat answers that the group changes
 * - alone: the coordinator does not know it, so others may own its partitions: it gives all up → joining, as a new member
 *
 * Heartbeats go on in every state, so that a member that waits for others knows whether it still counts as one.
 */
import { AssignerProtocol } from "kafkajs";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { partitionKey, type TopicPartition } from "../log.ts";
import { BrokerError, errorAction, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection } from "../wire/connection.ts";
import { byTopic } from "../wire/protocol.ts";
import { retryRequest } from "../wire/retry-request.ts";
import { assign, type Subscription } from "./assign.ts";

const PROTOCOL = "lockstep-cooperative";
const ILLEGAL_GENERATION = 22;
const UNKNOWN_MEMBER_ID = 25;
const REBALANCE_IN_PROGRESS = 27;
const MEMBER_ID_REQUIRED = 79;

export interface MembershipOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Name of a member that takes its own place again after a restart; null for one without. */
  readonly groupInstanceId: string | null;
  /** Silence after which the group gives our partitions to others. */
  readonly sessionTimeoutMs: number;
  /** How long the group waits for a member that must join again. */
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
}

/** What owns the partitions: told of each change, in order, and waited for. */
export interface AssignmentListener {
  readonly owned: () => readonly string[];
  /** Stops reading these, finishes what is being processed and commits it. Must not take longer than the rebalance time-out. */
  readonly onRevoked: (partitions: readonly string[]) => Promise<void>;
  /** These are ours from now on, all others are not. */
  readonly onAssigned: (partitions: readonly TopicPartition[]) => Promise<void>;
  /** Nothing is known to be ours any more. */
  readonly onLost: () => void;
}

/** The coordinator's word that we are a member, which each commit carries. */
export interface Generation {
  readonly memberId: string;
  readonly generationId: number;
}

export class Membership {
  private generation: Generation = { memberId: "", generationId: -1 };
  private joining: Connection | undefined;
  private lastHeartbeat = performance.now();
  /** Rejected when a heartbeat's answer asks us to join again, with the reason. */
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

  /** Milliseconds since the coordinator last answered that we are a member. */
  heartbeatAgeMs = (): number => performance.now() - this.lastHeartbeat;

  /** Stays a member until the signal. @throws {BrokerError} when the brokers do not let us be one. */
  async run(): Promise<void> {
    this.signal.addEventListener("abort", () => this.requestRejoin(this.signal.reason), { once: true });
    void this.heartbeat();
    while (!this.signal.aborted) {
      try {
        await this.join();
        // Only now: that the group changes is no news to a member that is joining, and joining again would change it again.
        this.rejoinRequested = Promise.withResolvers();
        this.signal.throwIfAborted();
        await this.rejoinRequested.promise;
      } catch (error) {
        if (this.signal.aborted) return;
        await this.recover(error);
      }
    }
  }

  /** Tells the group that we go, so that it need not wait for us. */
  async leave(): Promise<void> {
    const { group, groupInstanceId } = this.options;
    const leaving = { groupId: group, memberId: this.generation.memberId, groupInstanceId: groupInstanceId };
    try {
      if (leaving.memberId) await this.cluster.withCoordinator(0, group, (wire) => wire.request("LeaveGroup", leaving));
    } catch {
      // The session's end tells them.
    }
    this.joining?.close();
  }

  private async recover(error: unknown): Promise<void> {
    const code = error instanceof BrokerError ? error.errorCode : undefined;
    if (code === REBALANCE_IN_PROGRESS) return;
    if (code === ILLEGAL_GENERATION || code === UNKNOWN_MEMBER_ID) {
      this.listener.onLost();
      if (code === UNKNOWN_MEMBER_ID) this.generation = { memberId: "", generationId: -1 };
      return;
    }
    if (errorAction(error) !== "retry") throw error;
    await sleepUnlessAborted(100 + Math.random() * 100, this.signal);
  }

  private async join(): Promise<void> {
    const { group, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs } = this.options;
    // A connection for this alone: the broker answers nothing else on it while the group gathers.
    this.joining?.close();
    const wire = this.cluster.dedicatedConnection(await this.cluster.findCoordinator(0, group));
    this.joining = wire;
    const joined = await wire.request("JoinGroup", {
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      memberId: this.generation.memberId,
      groupInstanceId: groupInstanceId,
      protocolType: "consumer",
      groupProtocols: [{ name: PROTOCOL, metadata: this.subscription() }],
    });
    if (joined.errorCode === MEMBER_ID_REQUIRED) {
      this.generation = { memberId: joined.memberId, generationId: -1 };
      return this.join();
    }
    throwOnError(joined.errorCode, `joining group ${group}`);
    this.generation = { memberId: joined.memberId, generationId: joined.generationId };
    const leads = joined.memberId === joined.leaderId;
    const synced = await wire.request("SyncGroup", {
      groupId: group,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId: groupInstanceId,
      groupAssignment: leads ? await this.assignPartitions(joined.members) : [],
    });
    throwOnError(synced.errorCode, `joining group ${group}`);
    this.lastHeartbeat = performance.now();
    await this.applyAssignment(synced.memberAssignment);
  }

  private subscription(): Buffer {
    const { topics } = this.options;
    const said = JSON.stringify({ generation: this.generation.generationId, owned: this.listener.owned() });
    return AssignerProtocol.MemberMetadata.encode({ version: 0, topics: [...topics], userData: Buffer.from(said) });
  }

  private async assignPartitions(members: readonly { memberId: string; memberMetadata: Buffer }[]) {
    const counts = await Promise.all(
      this.options.topics.map(async (topic) => {
        const count = await retryRequest({ what: `finding ${topic}`, timeoutMs: 10_000, signal: this.signal }, () =>
          this.cluster.partitions(topic),
        );
        return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
      }),
    );
    const given = assign(members.map(decodeSubscription), counts.flat());
    return [...given].map(([memberId, partitions]) => {
      const byTopicName = byTopic(partitions, ({ partition }) => partition);
      const assignment = Object.fromEntries(byTopicName.map(({ topic, partitions: of }) => [topic, [...of]]));
      const memberAssignment = { version: 0, assignment, userData: Buffer.alloc(0) };
      return { memberId, memberAssignment: AssignerProtocol.MemberAssignment.encode(memberAssignment) };
    });
  }

  private async applyAssignment(assignment: Buffer): Promise<void> {
    const decoded = AssignerProtocol.MemberAssignment.decode(assignment)?.assignment ?? {};
    const given = Object.entries(decoded).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const names = new Set(given.map(partitionKey));
    const revoked = this.listener.owned().filter((name) => !names.has(name));
    if (revoked.length > 0) await this.listener.onRevoked(revoked);
    await this.listener.onAssigned(given);
    // What we gave up can now go to the member that it is meant for.
    if (revoked.length > 0) throw new BrokerError(REBALANCE_IN_PROGRESS, `group ${this.options.group}`);
  }

  private requestRejoin(reason: unknown): void {
    this.rejoinRequested.promise.catch(() => {});
    this.rejoinRequested.reject(reason);
  }

  private async heartbeat(): Promise<void> {
    const { group, groupInstanceId, heartbeatMs } = this.options;
    while (!this.signal.aborted) {
      await sleepUnlessAborted(heartbeatMs, this.signal);
      const seat = this.generation;
      if (seat.generationId < 0) continue;
      const heartbeat = { groupId: group, memberId: seat.memberId, groupGenerationId: seat.generationId };
      try {
        const { errorCode } = await this.cluster.withCoordinator(0, group, (wire) =>
          wire.request("Heartbeat", { ...heartbeat, groupInstanceId: groupInstanceId }),
        );
        // The answer is about a seat that we have left meanwhile.
        if (seat !== this.generation) continue;
        if (errorCode === 0 || errorCode === REBALANCE_IN_PROGRESS) this.lastHeartbeat = performance.now();
        throwOnError(errorCode, `heartbeat to group ${group}`);
      } catch (error) {
        // While the coordinator is away or moves, the seat is ours until it says otherwise.
        if (errorAction(error) === "retry") continue;
        // Also while a join is under way, whose connection may be dead: others own the partitions now.
        if (error instanceof BrokerError && error.errorCode === UNKNOWN_MEMBER_ID) this.listener.onLost();
        this.requestRejoin(error);
      }
    }
  }
}

function decodeSubscription({ memberId, memberMetadata }: { memberId: string; memberMetadata: Buffer }): Subscription {
  try {
    const said = AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData.toString("utf8") ?? "";
    const { generation, owned } = JSON.parse(said) as { generation: number; owned: string[] };
    return { memberId, generation, owned };
  } catch {
    return { memberId, generation: -1, owned: [] };
  }
}
