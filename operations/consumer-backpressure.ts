/** Backpressure from the consumers: an operation sends changes only while the stream and the replicas keep up. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { eventsTopic, replicaGroup, replicaTopic, streamGroup } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";
import { sleepUnlessAborted } from "../platform/async/sleep.ts";
import { withTimeout } from "../platform/async/timeout.ts";

const POLL_MS = 1_000;
const LOG_TIMEOUT_MS = 3_000;
/** After a failed check the log is not asked for this long: its topics may not exist yet. */
const RETRY_MS = 30_000;
/** Two seconds of what a replica applies on a small machine. The offsets may be a second old. */
const MAX_LAG = 10_000;
/** A consumer that has not moved for this long is paused or down. Waiting for it does not help. */
const STALLED_MS = 5_000;

interface Progress {
  /** Records after the consumer's position. */
  readonly lag: number;
  /** Sum of the committed offsets over all partitions. */
  readonly position: number;
}

/** Watches the stream and all replicas of one entity. */
export class ConsumerBackpressure {
  private nextCheckAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly log: Pick<Log, "offsets" | "committedOffsets">,
    private readonly entity: EntityDeclaration,
  ) {}

  /**
   * Resolves when every consumer's lag is at most 10,000 records, when the consumers above that have stopped, or when
   * `signal` is aborted. Checks at most once a second. Never rejects. When the log is unavailable it returns at once:
   * the outbox then fills, and `waitForOutbox` waits.
   */
  async wait(signal: AbortSignal): Promise<void> {
    if (performance.now() < this.nextCheckAt) return;
    let lastPosition = -1;
    let movedAt = performance.now();
    while (!signal.aborted) {
      const timeoutError = () => new Error(`the log did not answer within ${LOG_TIMEOUT_MS} ms`);
      const consumers = await withTimeout(this.readProgress(), LOG_TIMEOUT_MS, timeoutError).catch(() => undefined);
      const now = performance.now();
      this.nextCheckAt = now + (consumers ? POLL_MS : RETRY_MS);
      const slow = (consumers ?? []).filter(({ lag }) => lag > MAX_LAG);
      if (slow.length === 0) return;
      const position = slow.reduce((sum, consumer) => sum + consumer.position, 0);
      if (position !== lastPosition) movedAt = now;
      else if (now - movedAt > STALLED_MS) return;
      lastPosition = position;
      await sleepUnlessAborted(POLL_MS, signal);
    }
  }

  private readProgress(): Promise<Progress[]> {
    const { entity } = this;
    return Promise.all([
      this.progressOf(streamGroup(entity), eventsTopic(entity).name),
      ...entity.replicas.map(({ name }) =>
        this.progressOf(replicaGroup(entity, name), replicaTopic(entity, name).name),
      ),
    ]);
  }

  private async progressOf(group: string, topic: string): Promise<Progress> {
    const committed = await this.log.committedOffsets(group, topic);
    let lag = 0;
    let position = 0;
    for (const [partition, { next }] of await this.log.offsets(topic)) {
      const offset = committed.get(partition) ?? 0;
      lag += Math.max(0, next - offset);
      position += offset;
    }
    return { lag, position };
  }
}
