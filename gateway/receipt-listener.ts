/**
 * Waits for the receipts in which replicas report that they applied a write: what `Prefer: wait` asks for. A gateway is
 * ready without the log, because writes do not need it.
 *
 * States: disconnected ⇄ reading.
 * - disconnected: the listener connects again, with growing delays. It then reads the receipts of the time before too,
 *   so that a write which came in between is still confirmed.
 * - reading: the watcher delivers receipts. While a broker hangs, it delivers nothing and `readUntil` stops rising.
 */
import type { EntityId, Version } from "../contracts/entity/document.ts";
import type { Namespaced } from "../contracts/project.ts";
import { decodeReceipt, type Receipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import type { Log, StoredRecord, Watcher } from "../kafka/log.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { Outage } from "../observability/outage.ts";
import { retry } from "../platform/async/retry.ts";
import { settlesWithin } from "../platform/async/timeout.ts";
import type { Check } from "../platform/service.ts";

/** Entities whose receipts are kept for waiting writes (P14): a receipt may arrive before the write returns. */
const MAX_RECENT = 20_000;
/** Writes that wait at the same time (P14); a further write does not wait. */
const MAX_WAITING = 1_000;
/** Longest time to close the connection to the log, in milliseconds. */
const CLOSE_TIMEOUT_MS = 500;
const FIRST_RECONNECT_DELAY_MS = 100;
const MAX_RECONNECT_DELAY_MS = 2_000;
/** How far before a new connection receipts are read, in milliseconds. At least the longest wait of a client. */
const LOOK_BACK_MS = 60_000;
/** Without an answer of a broker for this time, in milliseconds, it is unknown what the replicas have. */
const MAX_READ_AGE_MS = 500;
/**
 * How long before the end of a wait the brokers are asked for an answer, in milliseconds. They answer at once when
 * there is a receipt, and every 2 seconds otherwise.
 */
const REFRESH_MS = 250;
/** Delay between two fetches of receipts while no write waits for them, in milliseconds. */
const IDLE_LINGER_MS = 250;
/** How long after the last wait receipts are still fetched at once, in milliseconds: another wait may follow. */
const STAY_PROMPT_MS = 2_000;
/** Without an answer for this time, in milliseconds, the condition is reported. */
const REPORTED_READ_AGE_MS = 3_000;

/** The newest receipt of one replica for one entity. */
interface AppliedVersion {
  readonly version: Version;
  /** Time from the commit in the source until the replica could read the version, in milliseconds. */
  readonly latencyMs: number;
}

/** What is known of one replica when a wait ends. */
export type Confirmation =
  | { readonly outcome: "confirmed"; readonly latencyMs: number }
  /** The receipts were read up to the end of the wait, and the replica's was not among them. */
  | { readonly outcome: "behind" }
  /** The receipts could not be read: the replica may have the write. */
  | { readonly outcome: "unknown" };

/** What is known of each replica, by its name. */
export type Confirmations = ReadonlyMap<string, Confirmation>;

/** The subscription of one write, from before the write until its response. Disposing of it ends the subscription. */
export interface ReceiptSubscription extends Disposable {
  /** Resolves when all `replicas` have applied this version or a newer one, or after `timeoutMs` milliseconds. */
  waitForReplicas(
    entity: string,
    id: EntityId,
    version: Version,
    replicas: readonly string[],
    timeoutMs: number,
  ): Promise<Confirmations>;
}

/** Reads `lockstep.receipts` for the writes of this gateway that wait. */
export class ReceiptListener {
  private watcher: Watcher | undefined;
  private log: Promise<Log> | undefined;
  private readonly closing = new AbortController();
  private readonly outage: Outage;
  private subscriptions = 0;
  /** When the last subscription ended, by `performance.now()`. */
  private waitedAtMs = Number.NEGATIVE_INFINITY;
  /** By entity and id, then by replica. Empty while no write waits. */
  private readonly recent = new Map<string, Map<string, AppliedVersion>>();
  private readonly waiting = new Map<string, Set<() => void>>();

  /** @param connect opens the connection to the log; called again after a failure. */
  constructor(
    private readonly connect: () => Promise<Log>,
    logger: Logger,
    private readonly project: Namespaced,
  ) {
    this.outage = new Outage(
      logger,
      "cannot read receipts from the log; until this works again, writes with Prefer: wait report replicas as unknown",
      "receipts are read again",
    );
  }

  /** Without receipts a gateway still takes writes, so this does not block readiness. */
  readonly check: Check = {
    condition: "receipts-unavailable",
    blocksReadiness: false,
    problem: () => {
      if (!this.watcher) return "not connected to the brokers";
      const ageMs = this.readAgeMs();
      return ageMs > REPORTED_READ_AGE_MS ? `no broker has answered for ${Math.round(ageMs)} ms` : undefined;
    },
  };

  /** Reports how many writes wait, and how many receipts are kept for them. */
  registerMetrics(metrics: Metrics): void {
    watchBuffer(metrics, "waiting-writes", MAX_WAITING, () => this.subscriptions);
    watchBuffer(metrics, "remembered-receipts", MAX_RECENT, () => this.recent.size);
  }

  /** Connects in the background, and again whenever the connection is lost, until {@link close}. */
  start(): void {
    void this.readUntilClosed().catch(() => {}); // It rejects with the reason of `closing` only.
  }

  /**
   * Starts to keep receipts. A write subscribes before its statement, so that it misses no receipt.
   *
   * @returns undefined when {@link MAX_WAITING} writes wait.
   */
  subscribe(): ReceiptSubscription | undefined {
    if (this.subscriptions >= MAX_WAITING) return undefined;
    const wasPrompt = this.lingerMs() === 0;
    this.subscriptions++;
    if (!wasPrompt) this.watcher?.refresh();
    return {
      waitForReplicas: (...write) => this.waitForReplicas(...write),
      [Symbol.dispose]: () => {
        if (--this.subscriptions > 0) return;
        this.recent.clear();
        this.waitedAtMs = performance.now();
      },
    };
  }

  /** Closes the connection to the log. Returns after 500 ms at the latest. */
  async close(): Promise<void> {
    this.closing.abort(new Error("the gateway stops"));
    const closed = this.log?.then((log) => log.close()).catch(() => {});
    if (closed) await settlesWithin(closed, CLOSE_TIMEOUT_MS);
  }

  private async readUntilClosed(): Promise<void> {
    const { signal } = this.closing;
    const options = {
      what: "reading receipts",
      timeoutMs: Number.POSITIVE_INFINITY,
      shouldRetry: () => !signal.aborted,
      signal,
      firstDelayMs: FIRST_RECONNECT_DELAY_MS,
      maxDelayMs: MAX_RECONNECT_DELAY_MS,
      onRetry: (error: unknown) => this.outage.failed(error),
    };
    while (!signal.aborted) {
      const watcher = await retry(options, () => this.watch());
      this.watcher = watcher;
      this.outage.ended();
      await watcher.ended.catch((error) => this.outage.failed(error));
      this.watcher = undefined;
    }
  }

  private async watch(): Promise<Watcher> {
    this.log ??= this.connect();
    this.log.catch(() => {
      this.log = undefined;
    });
    const log = await this.log;
    return log.watch({
      topic: receiptsTopic(this.project).name,
      from: { sinceMs: Date.now() - LOOK_BACK_MS },
      onRecords: (records) => this.onRecords(records),
      lingerMs: () => this.lingerMs(),
    });
  }

  private lingerMs(): number {
    const isPrompt = this.subscriptions > 0 || performance.now() - this.waitedAtMs < STAY_PROMPT_MS;
    return isPrompt ? 0 : IDLE_LINGER_MS;
  }

  private readAgeMs(): number {
    return this.watcher ? performance.now() - this.watcher.readUntil() : Number.POSITIVE_INFINITY;
  }

  private onRecords(records: readonly StoredRecord[]): void {
    if (this.subscriptions === 0) return;
    for (const { value } of records) {
      const receipt = decodeReceipt(value);
      if (receipt) this.keep(receipt);
    }
  }

  private keep({ entity, replica, appliedMs, changes }: Receipt): void {
    for (const [id, version, committedMs] of changes) {
      const key = `${entity}:${id}`;
      const applied = this.recent.get(key) ?? new Map<string, AppliedVersion>();
      if ((applied.get(replica)?.version ?? 0) >= version) continue;
      applied.set(replica, { version, latencyMs: Math.max(0, appliedMs - committedMs) });
      // Moves the entry to the end of the map, so that the oldest entry is the first.
      this.recent.delete(key);
      this.recent.set(key, applied);
      for (const check of this.waiting.get(key) ?? []) check();
    }
    while (this.recent.size > MAX_RECENT) this.recent.delete(this.recent.keys().next().value!);
  }

  private async waitForReplicas(
    ...[entity, id, version, replicas, timeoutMs]: Parameters<ReceiptSubscription["waitForReplicas"]>
  ): Promise<Confirmations> {
    const key = `${entity}:${id}`;
    const latencies = new Map<string, number>();
    const complete = Promise.withResolvers<void>();
    const check = () => {
      for (const [replica, applied] of this.recent.get(key) ?? [])
        if (applied.version >= version && replicas.includes(replica)) latencies.set(replica, applied.latencyMs);
      if (latencies.size === replicas.length) complete.resolve();
    };
    const checks = this.waiting.get(key) ?? new Set();
    this.waiting.set(key, checks.add(check));
    check();
    const isComplete = timeoutMs > REFRESH_MS && (await settlesWithin(complete.promise, timeoutMs - REFRESH_MS));
    if (!isComplete) {
      if (this.readAgeMs() > REFRESH_MS) this.watcher?.refresh();
      await settlesWithin(complete.promise, Math.min(timeoutMs, REFRESH_MS));
    }
    checks.delete(check);
    if (checks.size === 0) this.waiting.delete(key);
    const missing: Confirmation = { outcome: this.readAgeMs() <= MAX_READ_AGE_MS ? "behind" : "unknown" };
    return new Map(
      replicas.map((replica) => {
        const latencyMs = latencies.get(replica);
        return [replica, latencyMs === undefined ? missing : { outcome: "confirmed", latencyMs }];
      }),
    );
  }
}
