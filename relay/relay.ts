/**
 * The relay's loop: read committed rows from the outbox, publish them to the log, delete them from the outbox. A row
 * that can never be sent is set aside, and all others flow on.
 *
 * States: awake ⇄ asleep.
 * - awake: writers send no NOTIFY; the relay polls the outbox. Left when there are few rows (`read-pace.ts`) and every
 *   writer that found the relay awake has committed.
 * - asleep: every writer sends a NOTIFY, and the relay waits for one before each read. Left when there are many rows.
 */
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { Outage } from "../observability/outage.ts";
import { retry } from "../platform/async/retry.ts";
import { sleep } from "../platform/async/sleep.ts";
import { settlesWithin } from "../platform/async/timeout.ts";
import type { LeaderLock } from "./leader-lock.ts";
import type { Acknowledgement, Outbox, OutboxRow, RejectedRow } from "./outbox.ts";
import type { Publisher } from "./publisher.ts";
import { ReadPace } from "./read-pace.ts";

/** Limits of the loop. */
interface RelayOptions {
  /** Maximum number of rows per read. */
  readonly batchRows: number;
  /** Longest wait for a NOTIFY, in milliseconds. */
  readonly pollMs: number;
}

interface RelayDeps {
  readonly outbox: Outbox;
  readonly leader: LeaderLock;
  readonly publisher: Publisher;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "relayPublished" | "relayRecovered">;
}

/** Delay before the next read while a writer that found the relay awake has not committed. */
const AWAKE_POLL_MS = 5;
/**
 * How long published rows wait for the next read, which deletes them in the same statement, while no row comes. Each
 * statement costs a commit.
 */
const ACKNOWLEDGE_MS = 50;
/** A write takes milliseconds. Without a response for this long the log counts as unavailable. */
const LOG_SILENCE_MS = 3_000;
const FIRST_REOPEN_DELAY_MS = 100;
/** `retry` adds up to a quarter, so the longest delay is 2 seconds. */
const MAX_REOPEN_DELAY_MS = 1_600;

/** One run of the loop; {@link Leadership} makes it when this process leads. */
export class Relay {
  private readonly outage: Outage;
  private readonly pace = new ReadPace();
  private isAsleep = false;
  /** Resolves when a NOTIFY or a stop arrives after the current round began. */
  private notification = Promise.withResolvers<void>();
  /** When the first one arrived, in the clock of `performance.now`. */
  private notifiedAtMs: number | undefined;
  private deleted = 0;
  /** When the current call to the log began, in the clock of `performance.now`; undefined: there is none. */
  private waitingSinceMs: number | undefined;
  /** Why the last call to the log failed; undefined after a success. */
  private logError: string | undefined;

  constructor(
    private readonly deps: RelayDeps,
    private readonly options: RelayOptions,
  ) {
    this.outage = new Outage(
      deps.logger,
      "the log is unavailable; changes wait in the outbox",
      "the log is available again",
    );
  }

  /** Rows deleted from the outbox since the start. */
  get deletedRows(): number {
    return this.deleted;
  }

  /** Why the log takes no change now; undefined while it does. */
  get logProblem(): string | undefined {
    const waitMs = this.waitingSinceMs === undefined ? 0 : performance.now() - this.waitingSinceMs;
    if (this.logError === undefined && waitMs < LOG_SILENCE_MS) return undefined;
    return this.logError ?? `the brokers have not responded for ${Math.round(waitMs / 1_000)} s`;
  }

  /** A writer has committed; also called when notifications may have been missed. */
  notify(): void {
    this.notifiedAtMs ??= performance.now();
    this.notification.resolve();
  }

  /**
   * Runs until the signal aborts, then finishes the batch in progress.
   *
   * @throws {Error} whatever the database reports. The session holds the leader lock, so the process must end then.
   */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.notify());
    await this.reopen(signal);
    let published: readonly OutboxRow[] = [];
    while (!signal.aborted) {
      this.expectNotification();
      const rows = await this.deleteAndRead(published);
      published = rows.length === 0 ? rows : await this.publishRows(rows, signal);
      await this.waitForRows(rows, published, signal);
    }
    if (published.length > 0) await this.acknowledge(published);
  }

  private expectNotification(): void {
    this.notification = Promise.withResolvers<void>();
    this.notifiedAtMs = undefined;
  }

  /** Publishes rows and sets aside those that cannot be sent. @returns the rows that the log has. */
  private async publishRows(rows: readonly OutboxRow[], signal: AbortSignal): Promise<readonly OutboxRow[]> {
    if (this.isAsleep && this.pace.isFast) await this.wakeUp();
    const rejected = await this.publish(rows, signal);
    if (rejected.length === 0) return rows;
    await this.setAside(rejected);
    const unsent = new Set(rejected.map(({ row }) => row));
    return rows.filter((row) => !unsent.has(row));
  }

  private async setAside(rejected: readonly RejectedRow[]): Promise<void> {
    await this.deps.outbox.setAside(rejected);
    const [{ row, reason, detail }] = rejected as [RejectedRow];
    this.deps.logger.warn(
      { rows: rejected.length, first: { seq: row.seq, entity: row.entity, id: row.id, reason, detail } },
      "changes that cannot be sent were set aside; lockstep dead-letters list shows them",
    );
  }

  /** Deletes the published rows and reads the next ones. */
  private async deleteAndRead(published: readonly OutboxRow[]): Promise<OutboxRow[]> {
    const { outbox } = this.deps;
    const { batchRows } = this.options;
    const rows = await (published.length === 0
      ? outbox.read(batchRows)
      : outbox.read(batchRows, this.acknowledgementOf(published)));
    this.deleted += published.length;
    this.pace.recordRead(rows.length, performance.now());
    return rows;
  }

  /** Deletes the published rows. */
  private async acknowledge(published: readonly OutboxRow[]): Promise<void> {
    await this.deps.outbox.read(0, this.acknowledgementOf(published));
    this.deleted += published.length;
  }

  private acknowledgementOf(published: readonly OutboxRow[]): Acknowledgement {
    return { seqs: published.map((row) => row.seq), positions: this.deps.publisher.positionsAfter(published) };
  }

  /**
   * Publishes a batch, with a new writer after each failure of the log. The outbox keeps the rows meanwhile.
   *
   * @returns the rows that cannot be sent.
   */
  private async publish(rows: readonly OutboxRow[], signal: AbortSignal): Promise<readonly RejectedRow[]> {
    const { publisher, metrics, logger } = this.deps;
    for (;;)
      try {
        this.waitingSinceMs = performance.now();
        const { recovered, rejected } = await publisher.publish(rows);
        this.logAnswered();
        metrics.relayPublished.inc(rows.length - recovered - rejected.length);
        metrics.relayRecovered.inc(recovered);
        return rejected;
      } catch (error) {
        if (publisher.isOpen) throw error; // A fault in the relay's own code.
        this.logError = messageOf(error);
        logger.warn(
          { err: error, rows: rows.length },
          "publishing failed; opening a new writer and reading back which changes are stored",
        );
        await this.reopen(signal);
      }
  }

  /**
   * Opens the publisher and retries until that succeeds.
   *
   * @throws {Error} the last failure, after the signal aborted.
   */
  private async reopen(signal: AbortSignal): Promise<void> {
    const { publisher } = this.deps;
    const options = {
      what: "opening the relay's writer",
      timeoutMs: Number.POSITIVE_INFINITY,
      shouldRetry: () => !signal.aborted,
      firstDelayMs: FIRST_REOPEN_DELAY_MS,
      maxDelayMs: MAX_REOPEN_DELAY_MS,
      onRetry: (error: unknown) => {
        this.logError = messageOf(error);
        this.outage.failed(error);
      },
    };
    this.waitingSinceMs ??= performance.now();
    await retry(options, () => publisher.reopen());
    this.logAnswered();
    this.outage.ended();
  }

  private logAnswered(): void {
    this.waitingSinceMs = undefined;
    this.logError = undefined;
  }

  /** Waits until it is time for the next read. Falls asleep when there are few rows and that is safe. */
  private async waitForRows(
    rows: readonly OutboxRow[],
    published: readonly OutboxRow[],
    signal: AbortSignal,
  ): Promise<void> {
    const { outbox, publisher } = this.deps;
    if (!outbox.hasMore) publisher.keepStoredChanges(rows);
    if (outbox.hasMore || signal.aborted) return;
    if (this.isAsleep) {
      const { pollMs } = this.options;
      const maxMs = published.length > 0 ? Math.min(ACKNOWLEDGE_MS, pollMs) : pollMs;
      if (await settlesWithin(this.notification.promise, maxMs)) await this.gather(signal);
      return;
    }
    // A writer that committed before this sent no NOTIFY. So the relay reads once more before it waits.
    if (rows.length === 0 || this.pace.isSlow) this.isAsleep = await this.deps.leader.fallAsleep();
    if (this.isAsleep) return;
    const waitMs = rows.length === 0 ? AWAKE_POLL_MS : this.pace.awakeMs(performance.now());
    if (waitMs > 0) await sleep(waitMs);
  }

  /** Waits for more rows after a NOTIFY, while the next one is expected soon. */
  private async gather(signal: AbortSignal): Promise<void> {
    const firstMs = this.notifiedAtMs ?? performance.now();
    while (!signal.aborted) {
      const waitMs = this.pace.gatherMs(firstMs, performance.now());
      if (waitMs === 0) return;
      this.expectNotification();
      await settlesWithin(this.notification.promise, waitMs);
    }
  }

  private async wakeUp(): Promise<void> {
    this.isAsleep = false;
    await this.deps.leader.wakeUp();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
