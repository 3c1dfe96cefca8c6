/**
 * Waits for the receipts in which replicas report that they applied a write: what `Prefer: wait` asks for. The listener
 * connects to the log when the gateway starts. A gateway is ready without it: writes do not need the log.
 */
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { decodeReceipt, type Receipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import type { Log, StoredRecord, Watcher } from "../kafka/log.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { settlesWithin } from "../platform/async/timeout.ts";

/** Entities whose receipts are kept for waiting writes (P14): a receipt may arrive before the write returns. */
const MAX_RECENT = 20_000;
/** Writes that wait at the same time (P14); a further write does not wait. */
const MAX_WAITING = 1_000;
/** Longest time to close the connection to the log, in milliseconds. */
const CLOSE_TIMEOUT_MS = 500;

/** The newest receipt of one replica for one entity. */
interface AppliedVersion {
  readonly version: Version;
  /** Time from the commit in the source until the replica could read the version, in milliseconds. */
  readonly latencyMs: number;
}

/** By replica: its latency for a write in milliseconds; undefined when it did not report in time. */
export type ReplicaLatencies = ReadonlyMap<string, number | undefined>;

/** The subscription of one write, from before the write until its response. Disposing of it ends the subscription. */
export interface ReceiptSubscription extends Disposable {
  /** Resolves when all `replicas` have applied this version or a newer one, or after `timeoutMs` milliseconds. */
  waitForReplicas(
    entity: string,
    id: EntityId,
    version: Version,
    replicas: readonly string[],
    timeoutMs: number,
  ): Promise<ReplicaLatencies>;
}

/** Reads `lockstep.receipts` for the writes of this gateway that wait. */
export class ReceiptListener {
  private watching: Promise<Watcher> | undefined;
  private log: Promise<Log> | undefined;
  private subscriptions = 0;
  /** By entity and id, then by replica. Empty while no write waits. */
  private readonly recent = new Map<string, Map<string, AppliedVersion>>();
  private readonly waiting = new Map<string, Set<() => void>>();

  /** @param connect opens the connection to the log; after a failure, the next subscription calls it again. */
  constructor(
    private readonly connect: () => Promise<Log>,
    private readonly logger: Logger,
  ) {}

  /** Reports how many writes wait, and how many receipts are kept for them. */
  registerMetrics(metrics: Metrics): void {
    watchBuffer(metrics, "waiting-writes", MAX_WAITING, () => this.subscriptions);
    watchBuffer(metrics, "remembered-receipts", MAX_RECENT, () => this.recent.size);
  }

  /** Connects in the background, so that the first write that waits finds a connection. */
  start(): void {
    this.watching ??= this.watch();
    // A failure is logged, and the next subscription connects again.
    this.watching.catch(() => {});
  }

  /**
   * Starts to keep receipts. A write subscribes before its statement, so that it misses no receipt.
   *
   * @returns undefined without a connection within `timeoutMs` milliseconds, and when {@link MAX_WAITING} writes wait.
   */
  async subscribe(timeoutMs: number): Promise<ReceiptSubscription | undefined> {
    if (this.subscriptions >= MAX_WAITING) return undefined;
    this.watching ??= this.watch();
    const connected = await settlesWithin(this.watching, timeoutMs).catch(() => false);
    if (!connected) return undefined;
    this.subscriptions++;
    return {
      waitForReplicas: (...write) => this.waitForReplicas(...write),
      [Symbol.dispose]: () => {
        if (--this.subscriptions === 0) this.recent.clear();
      },
    };
  }

  /** Closes the connection to the log. Returns after 500 ms at the latest. */
  async close(): Promise<void> {
    const closed = this.log?.then((log) => log.close()).catch(() => {});
    if (closed) await settlesWithin(closed, CLOSE_TIMEOUT_MS);
  }

  private async watch(): Promise<Watcher> {
    try {
      this.log ??= this.connect();
      const log = await this.log;
      const watcher = await log.watch({
        topic: receiptsTopic.name,
        from: "end",
        onRecords: (records) => this.onRecords(records),
      });
      watcher.ended.catch((error) => this.onDisconnected(error));
      return watcher;
    } catch (error) {
      this.log?.catch(() => {
        this.log = undefined;
      });
      this.onDisconnected(error);
      throw error;
    }
  }

  /** The next write that waits connects again. */
  private onDisconnected(error: unknown): void {
    this.watching = undefined;
    this.logger.warn(
      { err: error },
      "cannot read receipts from the log; until this works again, writes with Prefer: wait report replicas as unknown",
    );
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
  ): Promise<ReplicaLatencies> {
    const key = `${entity}:${id}`;
    const latencies = new Map<string, number | undefined>(replicas.map((replica) => [replica, undefined]));
    const complete = Promise.withResolvers<void>();
    const check = () => {
      for (const [replica, applied] of this.recent.get(key) ?? [])
        if (applied.version >= version && latencies.has(replica)) latencies.set(replica, applied.latencyMs);
      if ([...latencies.values()].every((ms) => ms !== undefined)) complete.resolve();
    };
    const checks = this.waiting.get(key) ?? new Set();
    this.waiting.set(key, checks.add(check));
    check();
    await settlesWithin(complete.promise, timeoutMs);
    checks.delete(check);
    if (checks.size === 0) this.waiting.delete(key);
    return latencies;
  }
}
