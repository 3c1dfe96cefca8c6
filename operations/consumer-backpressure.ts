/** Keeps what operations send from standing in the topics before what clients write: waits while a follower has much before it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { eventsTopic, replicaGroup, replicaTopic, streamGroup } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";

const ASK_EVERY_MS = 1_000;
/** A log that has not answered by then is left alone for a while: its topics may not be there yet. */
const ANSWER_MS = 3_000;
const LEFT_ALONE_MS = 30_000;
/** Two seconds of what a replica applies on a small machine; the positions that are asked for are up to a second old. */
const MOST_RECORDS = 10_000;
/** A follower that does not move for so long is paused or down, and waiting helps nobody. */
const STILL_MS = 5_000;

interface Lag {
  readonly lag: number;
  readonly position: number;
}

export class ConsumerBackpressure {
  private askAgainAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly log: Pick<Log, "offsets" | "committedOffsets">,
    private readonly entity: EntityDeclaration,
  ) {}

  /**
   * Resolves when the stream and each replica have few records before them, when those that have many stand still, or when `signal` is
   * aborted. A log that does not answer is not waited for: the outbox then fills up, and that is.
   */
  async wait(signal: AbortSignal): Promise<void> {
    if (performance.now() < this.askAgainAt) return;
    let position = -1;
    let movedAt = performance.now();
    while (!signal.aborted) {
      const lags = await Promise.race([this.lags().catch(() => undefined), sleep(ANSWER_MS, undefined)]);
      const askedAt = performance.now();
      this.askAgainAt = askedAt + (lags ? ASK_EVERY_MS : LEFT_ALONE_MS);
      const slow = (lags ?? []).filter(({ lag }) => lag > MOST_RECORDS);
      if (slow.length === 0) return;
      const now = slow.reduce((sum, { position: at }) => sum + at, 0);
      if (now !== position) movedAt = askedAt;
      else if (askedAt - movedAt > STILL_MS) return;
      position = now;
      await sleep(ASK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }

  private lags(): Promise<Lag[]> {
    const { entity } = this;
    const replicas = entity.replicas.map(({ name }) => this.lag(replicaGroup(name), replicaTopic(entity, name).name));
    return Promise.all([this.lag(streamGroup, eventsTopic(entity).name), ...replicas]);
  }

  private async lag(group: string, topic: string): Promise<Lag> {
    const positions = await this.log.committedOffsets(group, topic);
    let lag = 0;
    let position = 0;
    for (const [partition, { next }] of await this.log.offsets(topic)) {
      const at = positions.get(partition) ?? 0;
      lag += Math.max(0, next - at);
      position += at;
    }
    return { lag, position };
  }
}
