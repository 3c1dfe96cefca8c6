/** The relay's loop on one screen: take what is committed, put it into the log, forget it; sleep when there is nothing. */
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Leader } from "./leader.ts";
import type { Outbox, OutboxRow } from "./outbox.ts";
import type { Publisher } from "./publisher.ts";

export interface RelaySettings {
  /** Most rows at a time. */
  readonly batch: number;
  /** Longest sleep in milliseconds when nobody wakes the relay. */
  readonly pollMs: number;
}

/** How soon to look again while a writer that found the relay awake has not committed yet. */
const BUSY_POLL_MS = 5;
const REOPEN_PAUSES_MS = [100, 250, 500, 1_000, 2_000];

export class Relay {
  private stopping = false;
  private wake: (() => void) | undefined;
  private notified = false;

  constructor(
    private readonly using: { outbox: Outbox; leader: Leader; publisher: Publisher; logger: Logger; metrics: Metrics },
    private readonly settings: RelaySettings,
  ) {}

  /** A writer committed something while the relay slept. */
  notify(): void {
    this.notified = true;
    this.wake?.();
  }

  /** Finishes the batch under way; {@link run} then resolves. */
  stop(): void {
    this.stopping = true;
    this.wake?.();
  }

  /** Runs until {@link stop}. @throws whatever the database says: the session is the lead, so the process ends with it. */
  async run(): Promise<void> {
    const { outbox } = this.using;
    await this.reopen();
    let rows = await outbox.take(this.settings.batch);
    while (!this.stopping) {
      if (rows.length === 0) {
        this.using.publisher.forgetStored();
        rows = await this.sleep();
        continue;
      }
      await this.publish(rows);
      // Sent together, run in this order: what was acknowledged is gone before the next rows are looked for.
      const forgotten = outbox.acknowledge(
        rows.map((row) => row.seq),
        this.using.publisher.settle(rows),
      );
      [, rows] = await Promise.all([forgotten, outbox.take(this.settings.batch)]);
    }
  }

  /** Publishes a batch, through as many new writers as it takes. Nothing is given up: the outbox keeps the rows. */
  private async publish(rows: readonly OutboxRow[]): Promise<void> {
    const { publisher, metrics, logger } = this.using;
    for (;;)
      try {
        const found = await publisher.publish(rows);
        metrics.relayPublished.inc(rows.length - found);
        metrics.relayRecovered.inc(found);
        return;
      } catch (error) {
        if (publisher.open) throw error; // not the log's fault: a row that cannot be encoded
        logger.warn({ err: error, rows: rows.length }, "publishing failed; fencing and reading back what was stored");
        await this.reopen();
      }
  }

  private async reopen(): Promise<void> {
    for (let attempt = 0; ; attempt++)
      try {
        return await this.using.publisher.reopen();
      } catch (error) {
        const pauseMs = REOPEN_PAUSES_MS[Math.min(attempt, REOPEN_PAUSES_MS.length - 1)]!;
        this.using.logger.warn({ err: error, pauseMs }, "the log is away; changes wait in the outbox");
        if (this.stopping) throw error;
        await Bun.sleep(pauseMs);
      }
  }

  /** Sleeps until a change is committed or the poll is due. @returns what is there then. */
  private async sleep(): Promise<OutboxRow[]> {
    const { outbox, leader } = this.using;
    this.notified = false;
    if (!(await leader.fallAsleep())) {
      await Bun.sleep(BUSY_POLL_MS);
      return outbox.take(this.settings.batch);
    }
    // Whoever committed before the lock was ours did not notify; from here on everybody does.
    let rows = await outbox.take(this.settings.batch);
    if (rows.length === 0 && !this.notified && !this.stopping) await this.nap();
    [, rows] = await Promise.all([leader.wakeUp(), rows.length > 0 ? rows : outbox.take(this.settings.batch)]);
    return rows;
  }

  private nap(): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.settings.pollMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).finally(() => {
      this.wake = undefined;
    });
  }
}
