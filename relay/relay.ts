/**
 * The relay's loop on one screen: take what is committed, put it into the log, forget it; nap when there is nothing.
 *
 * States: awake ⇄ asleep.
 * - awake: nobody notifies. Left when the outbox is empty and no writer that found the relay awake is under way.
 * - asleep: every writer notifies, so the relay naps until one does. Left when many rows come at once.
 */
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { Outage } from "../observability/outage.ts";
import type { LeaderLock } from "./leader-lock.ts";
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
/**
 * So many rows at once mean that writers come faster than the relay publishes: now it needs no wake-up, and each NOTIFY would
 * hold a lock of the whole database until its commit is on disk.
 */
const BUSY_ROWS = 2;
/**
 * From so many rows at once on, others are waited for before the next take: each batch costs every hop behind a request for each
 * partition, whatever it holds. A batch that is full is not waited for.
 */
const LINGER_ROWS = 4;
const LINGER_MS = 6;
const REOPEN_PAUSES_MS = [100, 250, 500, 1_000, 2_000];

export class Relay {
  /** Rows deleted from the outbox so far. */
  forgotten = 0;
  private readonly away: Outage;
  private stopping = false;
  private asleep = false;
  private notified = false;
  private endNap: (() => void) | undefined;

  constructor(
    private readonly deps: {
      outbox: Outbox;
      leader: LeaderLock;
      publisher: Publisher;
      logger: Logger;
      metrics: Metrics;
    },
    private readonly settings: RelaySettings,
  ) {
    this.away = new Outage(deps.logger, "the log is away; changes wait in the outbox", "the log is back");
  }

  /** A writer committed something. */
  notify(): void {
    this.notified = true;
    this.endNap?.();
  }

  /** Finishes the batch under way; {@link run} then resolves. */
  stop(): void {
    this.stopping = true;
    this.endNap?.();
  }

  /** Runs until {@link stop}. @throws whatever the database says: the session is the lead, so the process ends with it. */
  async run(): Promise<void> {
    await this.reopen();
    let published: readonly OutboxRow[] = [];
    while (!this.stopping) {
      this.notified = false;
      const rows = await this.forgetAndTake(published);
      published = [];
      if (rows.length === 0) await this.rest();
      else {
        if (this.asleep && rows.length >= BUSY_ROWS) await this.wakeUp();
        await this.publish(rows);
        published = rows;
        if (rows.length >= LINGER_ROWS && rows.length < this.settings.batch) await Bun.sleep(LINGER_MS);
      }
    }
    if (published.length > 0) await this.forgetAndTake(published);
  }

  /** Sent together, run in this order: what was published is gone before the next rows are looked for. */
  private async forgetAndTake(published: readonly OutboxRow[]): Promise<OutboxRow[]> {
    const { outbox, publisher } = this.deps;
    const taken = () => outbox.take(this.settings.batch);
    if (published.length === 0) return taken();
    const seqs = published.map((row) => row.seq);
    const [, rows] = await Promise.all([outbox.acknowledge(seqs, publisher.settle(published)), taken()]);
    this.forgotten += seqs.length;
    return rows;
  }

  /** Publishes a batch, through as many new writers as it takes. Nothing is given up: the outbox keeps the rows. */
  private async publish(rows: readonly OutboxRow[]): Promise<void> {
    const { publisher, metrics, logger } = this.deps;
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
        await this.deps.publisher.reopen();
        return this.away.ended();
      } catch (error) {
        const pauseMs = REOPEN_PAUSES_MS[Math.min(attempt, REOPEN_PAUSES_MS.length - 1)]!;
        this.away.failed(error, { pauseMs });
        if (this.stopping) throw error;
        await Bun.sleep(pauseMs);
      }
  }

  /** The outbox was empty: falls asleep if that is safe, naps if it is asleep already and nobody has notified since. */
  private async rest(): Promise<void> {
    this.deps.publisher.forgetStored();
    if (this.asleep) {
      if (!this.notified && !this.stopping) await this.nap();
      return;
    }
    // Who committed before this did not notify: so look once more before the first nap.
    this.asleep = await this.deps.leader.fallAsleep();
    if (!this.asleep) await Bun.sleep(BUSY_POLL_MS);
  }

  private async wakeUp(): Promise<void> {
    this.asleep = false;
    await this.deps.leader.wakeUp();
  }

  private nap(): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.settings.pollMs);
      this.endNap = () => {
        clearTimeout(timer);
        resolve();
      };
    }).finally(() => {
      this.endNap = undefined;
    });
  }
}
