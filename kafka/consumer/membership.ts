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
import { nameOf, type TopicPartition } from "../log.ts";
import { BrokerError, errorAction, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection } from "../wire/connection.ts";
import { patiently, pause } from "../wire/patience.ts";
import { byTopic } from "../wire/protocol.ts";
import { assign, type Claim } from "./assign.ts";

const PROTOCOL = "lockstep-cooperative";
const ILLEGAL_GENERATION = 22;
const UNKNOWN_MEMBER_ID = 25;
const REBALANCE_IN_PROGRESS = 27;
const MEMBER_ID_REQUIRED = 79;

export interface MembershipOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Name of a member that takes its own place again after a restart; null for one without. */
  readonly instance: string | null;
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
  readonly release: (partitions: readonly string[]) => Promise<void>;
  /** These are ours from now on, all others are not. */
  readonly onAssigned: (partitions: readonly TopicPartition[]) => Promise<void>;
  /** Nothing is known to be ours any more. */
  readonly onLost: () => void;
}

/** The coordinator's word that we are a member, which each commit carries. */
export interface GroupPosition {
  readonly memberId: string;
  readonly generation: number;
}

export class Membership {
  private position: GroupPosition = { memberId: "", generation: -1 };
  private joining: Connection | undefined;
  private lastHeartbeat = performance.now();
  /** Rejected when a heartbeat's answer asks us to join again, with the reason. */
  private called = Promise.withResolvers<never>();

  constructor(
    readonly cluster: Cluster,
    readonly settings: MembershipOptions,
    readonly owner: AssignmentListener,
    readonly signal: AbortSignal,
  ) {}

  get seat(): GroupPosition {
    return this.position;
  }

  /** Milliseconds since the coordinator last answered that we are a member. */
  heartbeatAgeMs = (): number => performance.now() - this.lastHeartbeat;

  /** Stays a member until the signal. @throws {BrokerError} when the brokers do not let us be one. */
  async run(): Promise<void> {
    this.signal.addEventListener("abort", () => this.call(this.signal.reason), { once: true });
    void this.beat();
    while (!this.signal.aborted) {
      try {
        await this.join();
        // Only now: that the group changes is no news to a member that is joining, and joining again would change it again.
        this.called = Promise.withResolvers();
        this.signal.throwIfAborted();
        await this.called.promise;
      } catch (error) {
        if (this.signal.aborted) return;
        await this.recover(error);
      }
    }
  }

  /** Tells the group that we go, so that it need not wait for us. */
  async leave(): Promise<void> {
    const { group, instance } = this.settings;
    const leaving = { groupId: group, memberId: this.position.memberId, groupInstanceId: instance };
    try {
      if (leaving.memberId) await this.cluster.atCoordinator(0, group, (wire) => wire.request("LeaveGroup", leaving));
    } catch {
      // The session's end tells them.
    }
    this.joining?.close();
  }

  private async recover(error: unknown): Promise<void> {
    const code = error instanceof BrokerError ? error.errorCode : undefined;
    if (code === REBALANCE_IN_PROGRESS) return;
    if (code === ILLEGAL_GENERATION || code === UNKNOWN_MEMBER_ID) {
      this.owner.onLost();
      if (code === UNKNOWN_MEMBER_ID) this.position = { memberId: "", generation: -1 };
      return;
    }
    if (errorAction(error) !== "retry") throw error;
    await pause(100 + Math.random() * 100, this.signal).catch(() => {});
  }

  private async join(): Promise<void> {
    const { group, instance, sessionTimeoutMs, rebalanceTimeoutMs } = this.settings;
    // A connection for this alone: the broker answers nothing else on it while the group gathers.
    this.joining?.close();
    const wire = this.cluster.dedicatedConnection(await this.cluster.coordinator(0, group));
    this.joining = wire;
    const joined = await wire.request("JoinGroup", {
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      memberId: this.position.memberId,
      groupInstanceId: instance,
      protocolType: "consumer",
      groupProtocols: [{ name: PROTOCOL, metadata: this.claim() }],
    });
    if (joined.errorCode === MEMBER_ID_REQUIRED) {
      this.position = { memberId: joined.memberId, generation: -1 };
      return this.join();
    }
    throwOnError(joined.errorCode, `joining group ${group}`);
    this.position = { memberId: joined.memberId, generation: joined.generationId };
    const leads = joined.memberId === joined.leaderId;
    const synced = await wire.request("SyncGroup", {
      groupId: group,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId: instance,
      groupAssignment: leads ? await this.decide(joined.members) : [],
    });
    throwOnError(synced.errorCode, `joining group ${group}`);
    this.lastHeartbeat = performance.now();
    await this.take(synced.memberAssignment);
  }

  private claim(): Buffer {
    const { topics } = this.settings;
    const said = JSON.stringify({ generation: this.position.generation, owned: this.owner.owned() });
    return AssignerProtocol.MemberMetadata.encode({ version: 0, topics: [...topics], userData: Buffer.from(said) });
  }

  private async decide(members: readonly { memberId: string; memberMetadata: Buffer }[]) {
    const counts = await Promise.all(
      this.settings.topics.map(async (topic) => {
        const count = await patiently({ what: `finding ${topic}`, timeoutMs: 10_000, signal: this.signal }, () =>
          this.cluster.partitions(topic),
        );
        return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
      }),
    );
    const given = assign(members.map(claimOf), counts.flat());
    return [...given].map(([memberId, partitions]) => {
      const byTopicName = byTopic(partitions, ({ partition }) => partition);
      const assignment = Object.fromEntries(byTopicName.map(({ topic, partitions: of }) => [topic, [...of]]));
      const memberAssignment = { version: 0, assignment, userData: Buffer.alloc(0) };
      return { memberId, memberAssignment: AssignerProtocol.MemberAssignment.encode(memberAssignment) };
    });
  }

  private async take(assignment: Buffer): Promise<void> {
    const decoded = AssignerProtocol.MemberAssignment.decode(assignment)?.assignment ?? {};
    const given = Object.entries(decoded).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const names = new Set(given.map(nameOf));
    const revoked = this.owner.owned().filter((name) => !names.has(name));
    if (revoked.length > 0) await this.owner.release(revoked);
    await this.owner.onAssigned(given);
    // What we gave up can now go to the member that it is meant for.
    if (revoked.length > 0) throw new BrokerError(REBALANCE_IN_PROGRESS, `group ${this.settings.group}`);
  }

  private call(reason: unknown): void {
    this.called.promise.catch(() => {});
    this.called.reject(reason);
  }

  private async beat(): Promise<void> {
    const { group, instance, heartbeatMs } = this.settings;
    while (!this.signal.aborted) {
      await pause(heartbeatMs, this.signal).catch(() => {});
      const seat = this.position;
      if (seat.generation < 0) continue;
      const heartbeat = { groupId: group, memberId: seat.memberId, groupGenerationId: seat.generation };
      try {
        const { errorCode } = await this.cluster.atCoordinator(0, group, (wire) =>
          wire.request("Heartbeat", { ...heartbeat, groupInstanceId: instance }),
        );
        // The answer is about a seat that we have left meanwhile.
        if (seat !== this.position) continue;
        if (errorCode === 0 || errorCode === REBALANCE_IN_PROGRESS) this.lastHeartbeat = performance.now();
        throwOnError(errorCode, `heartbeat to group ${group}`);
      } catch (error) {
        // While the coordinator is away or moves, the seat is ours until it says otherwise.
        if (errorAction(error) === "retry") continue;
        // Also while a join is under way, whose connection may be dead: others own the partitions now.
        if (error instanceof BrokerError && error.errorCode === UNKNOWN_MEMBER_ID) this.owner.onLost();
        this.call(error);
      }
    }
  }
}

function claimOf({ memberId, memberMetadata }: { memberId: string; memberMetadata: Buffer }): Claim {
  try {
    const said = AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData.toString("utf8") ?? "";
    const { generation, owned } = JSON.parse(said) as { generation: number; owned: string[] };
    return { memberId, generation, owned };
  } catch {
    return { memberId, generation: -1, owned: [] };
  }
}
