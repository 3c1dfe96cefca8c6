/**
 * A member of a consumer group. Offsets are committed once a second, so records come again after a crash. A member that
 * has lost its session starts no batch; the batch that it was in goes on (a zombie).
 */
import {
  type Batch,
  type ConsumeOptions,
  type Consumer,
  type ConsumerPosition,
  partitionKey,
  type StoredRecord,
  type TopicPartition,
} from "../../kafka/log.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Broker } from "./broker.ts";
import type { ConsumerGroups, Group } from "./consumer-group.ts";
import { latency, request } from "./request.ts";
import type { SimulatedProcess, World } from "./world.ts";

const COMMIT_MS = 1_000;
/** Records of one batch. Small ones make more schedules. */
const BATCH_RECORDS = 6;
const MAX_RETRY_DELAY_MS = 4_000;

const NO_ANSWER = { noAnswer: () => new Error("the group's coordinator did not respond") };

/** What a process needs to reach the brokers. */
export interface LogDeps {
  readonly world: World;
  readonly broker: Broker;
  readonly groups: ConsumerGroups;
  readonly process: SimulatedProcess;
}

/** A partition that a member owns. */
interface Assigned {
  readonly at: TopicPartition;
  position: number;
  isOwned: boolean;
  isStarted: boolean;
  inFlight: Promise<void> | undefined;
  /** Ends the wait for new records. */
  wake: (() => void) | undefined;
  readonly watch: () => void;
}

/** A member: the consumer of one process. */
export class GroupMember implements Consumer {
  paused = false;
  readonly ended = new Promise<void>(() => {});
  private readonly owned = new Map<string, Assigned>();
  private readonly group: Group;
  private isCommitting = false;

  constructor(
    private readonly deps: LogDeps,
    readonly options: ConsumeOptions,
  ) {
    this.group = deps.groups.group(options.group);
    void this.join();
  }

  get process() {
    return this.deps.process;
  }

  readonly fetchAgeMs = () => 0;
  readonly assigned = (): TopicPartition[] => [...this.owned.values()].map(({ at }) => at);
  readonly positions = (): ConsumerPosition[] =>
    [...this.owned.values()].map(({ at, position }) => ({
      ...at,
      processed: position,
      end: this.deps.broker.partition(at).records.length,
    }));

  readonly seek = (at: TopicPartition, offset: number): void => {
    const assigned = this.owned.get(partitionKey(at));
    if (assigned) assigned.position = offset;
  };

  close(): Promise<void> {
    throw new Error("processes of the simulation are killed, they are never stopped");
  }

  /** The coordinator has given this member a partition. */
  async assign({ topic, partition }: TopicPartition): Promise<void> {
    const at = { topic, partition };
    const key = partitionKey(at);
    if (!this.group.has(this) || this.owned.has(key)) return;
    const { world, broker, process } = this.deps;
    const watch = () => {
      const { wake } = assigned;
      assigned.wake = undefined;
      if (wake) world.schedule(latency(world), process, wake);
    };
    const assigned: Assigned = {
      at,
      position: 0,
      isOwned: true,
      isStarted: false,
      inFlight: undefined,
      wake: undefined,
      watch,
    };
    this.owned.set(key, assigned);
    world.trace(process, () => `gets ${key}`);
    this.options.onAssigned?.([at]);
    const committed = await this.untilAnswered(
      () => this.group.committed.get(key) ?? 0,
      () => assigned.isOwned,
    );
    if (committed === undefined) return;
    assigned.position = committed;
    assigned.isStarted = true;
    broker.partition(at).watchers.add(watch);
    await this.consume(assigned);
  }

  /** The coordinator wants a partition back. */
  async revoke(at: TopicPartition): Promise<void> {
    const assigned = this.owned.get(partitionKey(at));
    if (!this.group.has(this)) return;
    if (assigned) {
      this.forget(assigned);
      await assigned.inFlight?.catch(() => {});
      if (!this.group.has(this)) return;
      this.options.onRevoked?.([at]);
      if (assigned.isStarted) await this.ask(() => this.group.commit(this, at, assigned.position)).catch(() => {});
    }
    await this.untilAnswered(
      () => this.group.released(this, at),
      () => this.group.has(this),
    );
  }

  /** The session has expired: others own the partitions, and the member joins again. */
  onExpelled(): void {
    const all = [...this.owned.values()];
    for (const assigned of all) this.forget(assigned);
    this.deps.world.trace(this.process, () => "has lost its session");
    if (all.length > 0) this.options.onRevoked?.(all.map(({ at }) => at));
    void this.join();
  }

  private forget(assigned: Assigned): void {
    assigned.isOwned = false;
    this.owned.delete(partitionKey(assigned.at));
    this.deps.broker.partition(assigned.at).watchers.delete(assigned.watch);
  }

  private async join(): Promise<void> {
    await this.untilAnswered(
      () => this.group.join(this),
      () => true,
    );
  }

  private async consume(assigned: Assigned): Promise<void> {
    const { partition, position } = {
      partition: this.deps.broker.partition(assigned.at),
      position: () => assigned.position,
    };
    while (assigned.isOwned) {
      if (partition.records.length <= position()) {
        await new Promise<void>((resolve) => {
          assigned.wake = resolve;
        });
        continue;
      }
      const records = await this.fetch(assigned);
      if (records.length > 0) await this.deliver(assigned, records);
    }
  }

  /** @returns no records when the broker did not respond. The partition may then have been created again. */
  private async fetch({ at, position }: Assigned): Promise<readonly StoredRecord[]> {
    const { world, broker } = this.deps;
    const limit = world.random.int(1, BATCH_RECORDS);
    try {
      return await this.ask(() => broker.partition(at).records.slice(position, position + limit));
    } catch {
      if (world.random.chance(0.3)) this.options.onInterrupted?.(at);
      await sleep(100);
      return [];
    }
  }

  /** Delivers a batch until it is processed, or not the next one any more. */
  private async deliver(assigned: Assigned, records: readonly StoredRecord[]): Promise<void> {
    const first = records[0]!.offset;
    const isCurrent = () => assigned.isOwned && assigned.position === first && this.group.has(this);
    const highWatermark = this.deps.broker.partition(assigned.at).records.length;
    const batch: Batch = { ...assigned.at, records, highWatermark, isCurrent };
    for (let delayMs = 100; isCurrent(); delayMs = Math.min(delayMs * 2, MAX_RETRY_DELAY_MS))
      try {
        assigned.inFlight = this.options.onBatch(batch);
        await assigned.inFlight;
        if (assigned.position === first) assigned.position = records.at(-1)!.offset + 1;
        this.commitSoon();
      } catch {
        await sleep(delayMs);
      } finally {
        assigned.inFlight = undefined;
      }
  }

  private commitSoon(): void {
    if (this.isCommitting) return;
    this.isCommitting = true;
    const { world, process } = this.deps;
    world.schedule(COMMIT_MS, process, () => {
      this.isCommitting = false;
      const positions = [...this.owned.values()]
        .filter(({ isStarted }) => isStarted)
        .map(({ at, position }) => [at, position] as const);
      this.ask(() => {
        for (const [at, position] of positions) this.group.commit(this, at, position);
      }).catch(() => this.commitSoon());
    });
  }

  private ask<T>(effect: () => T): Promise<T> {
    return request(this.deps.world, this.deps.process, effect, { ...NO_ANSWER, mayBeLate: false });
  }

  private async untilAnswered<T>(effect: () => T, isWanted: () => boolean): Promise<T | undefined> {
    while (isWanted())
      try {
        return await this.ask(effect);
      } catch {
        await sleep(200);
      }
    return undefined;
  }
}
