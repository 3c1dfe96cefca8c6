/**
 * This instance's ownership of one input partition.
 *
 * States: released → taking over → owned → released.
 * - released: this instance writes nothing for the partition. Left by {@link PartitionOwner.acquire}.
 * - taking over: `takeOver` runs; all callers of `acquire` share it. When it fails, the partition is released again.
 * - owned: the writer is open, and changes are flushed to the versions topic once a second. Left by
 *   {@link PartitionOwner.release}, by a failed write (the writer is then dead) and after {@link RENEW_MS}.
 */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { versionsTopic } from "../contracts/topics.ts";
import type { Log, TopicPartition } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { OwnedPartition } from "./owned-partition.ts";
import type { PartitionMetrics } from "./partition-metrics.ts";
import { takeOver } from "./take-over.ts";
import type { VersionStore } from "./version-store.ts";
import { encodeFlush } from "./versions-topic.ts";

/** Brokers forget a producer id after a day without writes. The owner renews the fence well before that. */
const RENEW_MS = 12 * 60 * 60 * 1_000;

interface PartitionOwnerDeps {
  readonly log: Log;
  readonly versions: VersionStore;
  readonly logger: Logger;
  readonly metrics: PartitionMetrics;
  /** Called when a takeover finds the input replaced: reading must continue at `next`. */
  readonly onReplaced: (next: number) => void;
  /** Flushes the partition soon, together with the others. */
  readonly scheduleFlush: () => void;
}

/** Acquires and releases one partition. */
export class PartitionOwner {
  private owned: OwnedPartition | undefined;
  private ownedSinceMs = 0;
  private takingOver: Promise<OwnedPartition> | undefined;

  constructor(
    private readonly deps: PartitionOwnerDeps,
    private readonly entity: EntityDeclaration,
    private readonly at: TopicPartition,
  ) {}

  /** Takes the partition over unless this instance owns it. @throws {Error} as {@link takeOver}. */
  async acquire(): Promise<OwnedPartition> {
    if (this.owned && Date.now() - this.ownedSinceMs > RENEW_MS) await this.release();
    if (this.owned?.isOpen) return this.owned;
    this.takingOver ??= this.takeOver().finally(() => {
      this.takingOver = undefined;
    });
    return this.takingOver;
  }

  /** The partition while this instance owns it. It may be closed. */
  get current(): OwnedPartition | undefined {
    return this.owned;
  }

  /** Takes the partition over again, also when this instance owns it. @throws {Error} as {@link takeOver}. */
  async renew(): Promise<void> {
    await this.release();
    await this.acquire();
  }

  /** Closes the writer, after a takeover in progress. Without this call, the next owner fences the writer. */
  async release(): Promise<void> {
    await this.takingOver?.catch(() => {});
    await this.close();
  }

  /** Writes the changes that the versions topic lacks. Never rejects; after a failed write the next batch fails. */
  async flush(): Promise<void> {
    const { owned } = this;
    const { versions, logger } = this.deps;
    if (!owned?.isOpen) return;
    try {
      // No `await` between these two lines: the checkpoint is valid only with every change before it. It comes from the
      // store, because a write in progress may have moved the end of one output only.
      const unflushed = versions.unflushed(owned.key);
      const checkpoint = versions.checkpoint(owned.key);
      if (unflushed.changes.size === 0 || !checkpoint) return;
      const topic = versionsTopic(this.entity).name;
      const end = await owned.write(topic, encodeFlush(unflushed.changes, checkpoint));
      versions.markFlushed(owned.key, unflushed, { topic, end });
    } catch (error) {
      if (owned === this.owned)
        logger.warn(
          { err: error, ...this.at },
          "writing to the versions topic failed; the next takeover of the partition repeats it",
        );
    }
  }

  private async takeOver(): Promise<OwnedPartition> {
    await this.close();
    this.owned = await takeOver(this.deps, this.entity, this.at.partition);
    this.ownedSinceMs = Date.now();
    this.deps.metrics.countTakeover(this.owned);
    if (this.owned.replaced) this.deps.onReplaced(this.owned.next);
    // A flush may have failed, or the process may have ended before it. No event may follow that would schedule one.
    this.deps.scheduleFlush();
    return this.owned;
  }

  private async close(): Promise<void> {
    const { owned } = this;
    this.owned = undefined;
    await owned?.close();
  }
}
