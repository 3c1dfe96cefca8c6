/**
 * Waits until replicas have told that they applied a write: what `Prefer: wait` asks for. Reads `lockstep.receipts` from the first
 * such write on; a gateway that nobody asks to wait needs no log at all.
 */
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { decodeReceipt, type Receipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import type { Log, StoredRecord, Watcher } from "../kafka/log.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";

/** Receipts may come before the write's own answer; so many are remembered while somebody may ask for them. */
const MOST_REMEMBERED = 20_000;
/** Writes that may wait at a time (P14); others are answered at once. */
const MOST_WAITING = 1_000;

const CLOSE_MS = 500;

/** What one replica has of an entity. */
interface Had {
  readonly version: Version;
  /** From the commit in the source to readable there, in milliseconds. */
  readonly ms: number;
}

/** Milliseconds until a replica had the write; undefined when it did not tell in time. */
export type Confirmation = ReadonlyMap<string, number | undefined>;

/** One write's interest in receipts: from before it is carried out until it is answered. */
export interface Listening extends Disposable {
  /** Resolves when all these replicas have this version or a newer one, or when the time is up. */
  confirmed(
    entity: string,
    id: EntityId,
    version: Version,
    replicas: readonly string[],
    timeoutMs: number,
  ): Promise<Confirmation>;
}

/** What replicas have told, for the writes of this gateway that wait. */
export class ReceiptListener {
  private watching: Promise<Watcher> | undefined;
  private log: Promise<Log> | undefined;
  private listeners = 0;
  private readonly remembered = new Map<string, Map<string, Had>>();
  private readonly waiting = new Map<string, Set<() => void>>();

  constructor(
    private readonly connect: () => Promise<Log>,
    private readonly logger: Logger,
  ) {}

  /** Tells how many wait, and how much is remembered for them. */
  show(metrics: Metrics): void {
    watchBuffer(metrics, "waiting-writes", MOST_WAITING, () => this.listeners);
    watchBuffer(metrics, "remembered-receipts", MOST_REMEMBERED, () => this.remembered.size);
  }

  /** To be called before the write. @returns undefined when receipts cannot be heard within the time, or too many wait already. */
  async listen(timeoutMs: number): Promise<Listening | undefined> {
    if (this.listeners >= MOST_WAITING) return undefined;
    this.watching ??= this.watch();
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), timeoutMs);
    const watcher = await Promise.race([this.watching.catch(() => undefined), late.promise]);
    clearTimeout(timer);
    if (!watcher) return undefined;
    this.listeners++;
    return {
      confirmed: (...asked) => this.confirmed(...asked),
      [Symbol.dispose]: () => {
        if (--this.listeners === 0) this.remembered.clear();
      },
    };
  }

  /** Does not wait for a log that is still being looked for. */
  async close(): Promise<void> {
    const closed = this.log?.then((log) => log.close()).catch(() => {});
    await Promise.race([closed, Bun.sleep(CLOSE_MS)]);
  }

  private async watch(): Promise<Watcher> {
    try {
      this.log ??= this.connect();
      const log = await this.log;
      const watcher = await log.watch({
        topic: receiptsTopic.name,
        from: "end",
        onRecords: (records) => this.heard(records),
      });
      watcher.ended.catch((error) => this.forget(error));
      return watcher;
    } catch (error) {
      this.log?.catch(() => {
        this.log = undefined;
      });
      this.forget(error);
      throw error;
    }
  }

  /** The next write that wants to wait tries again. */
  private forget(error: unknown): void {
    this.watching = undefined;
    this.logger.warn({ err: error }, "receipts of replicas cannot be heard; writes are not held up by this");
  }

  private heard(records: readonly StoredRecord[]): void {
    if (this.listeners === 0) return;
    for (const { value } of records) {
      const receipt = decodeReceipt(value);
      if (receipt) this.remember(receipt);
    }
  }

  private remember({ entity, replica, appliedMs, changes }: Receipt): void {
    for (const [id, version, committedMs] of changes) {
      const key = `${entity}:${id}`;
      const had = this.remembered.get(key) ?? new Map<string, Had>();
      if ((had.get(replica)?.version ?? 0) >= version) continue;
      had.set(replica, { version, ms: Math.max(0, appliedMs - committedMs) });
      this.remembered.delete(key);
      this.remembered.set(key, had);
      for (const look of this.waiting.get(key) ?? []) look();
    }
    while (this.remembered.size > MOST_REMEMBERED) this.remembered.delete(this.remembered.keys().next().value!);
  }

  private async confirmed(
    ...[entity, id, version, replicas, timeoutMs]: Parameters<Listening["confirmed"]>
  ): Promise<Confirmation> {
    const key = `${entity}:${id}`;
    const confirmed = new Map<string, number | undefined>(replicas.map((replica) => [replica, undefined]));
    const all = Promise.withResolvers<void>();
    const look = () => {
      for (const [replica, had] of this.remembered.get(key) ?? [])
        if (had.version >= version && confirmed.has(replica)) confirmed.set(replica, had.ms);
      if ([...confirmed.values()].every((ms) => ms !== undefined)) all.resolve();
    };
    const looks = this.waiting.get(key) ?? new Set();
    this.waiting.set(key, looks.add(look));
    const timer = setTimeout(() => all.resolve(), timeoutMs);
    look();
    await all.promise;
    clearTimeout(timer);
    looks.delete(look);
    if (looks.size === 0) this.waiting.delete(key);
    return confirmed;
  }
}
