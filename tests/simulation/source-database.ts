/**
 * The source's PostgreSQL as gateway/migrations and relay/*.sql make it: rows with versions, the outbox, the locks of the
 * relay. Each method is one statement or one step of a transaction, and atomic.
 */
import type { EntityId } from "../../contracts/entity/document.ts";
import { type OutboxRow, readTexts } from "../../relay/outbox.ts";
import setAsideText from "../../relay/set-aside.sql" with { type: "text" };
import { product } from "../project/index.ts";
import { START_MS } from "./globals.ts";
import { type Change, productColumns } from "./products.ts";
import { SourceSession } from "./source-session.ts";
import type { SimulatedProcess, World } from "./world.ts";

/** A version of a product. */
export interface SourceRow {
  readonly version: number;
  readonly change: Change;
}

/** A row of the outbox, in the order of its number and not of its commit. */
interface Captured extends OutboxRow {
  readonly number: number;
}

interface SetAside {
  readonly version: number;
  readonly number: number;
}

/** A transaction of a writer. */
interface Transaction {
  readonly rows: readonly { readonly id: EntityId; readonly row: SourceRow; readonly captured: Captured }[];
  /** The relay was asleep as the trigger ran. */
  readonly notifies: boolean;
  readonly onCommit: (() => void) | undefined;
}

/** The database. Writers use it directly, relays through a session. */
export class SourceDatabase {
  /** The newest committed version of each product. */
  readonly rows = new Map<EntityId, SourceRow>();
  /** All committed versions: `<id> <version>`, with what each was, and how often it was sent. */
  readonly history = new Map<string, Change>();
  readonly outbox = new Map<number, Captured>();
  readonly setAside = new Map<EntityId, SetAside>();
  readonly positions = new Map<string, { topic: string; partition: number; next: number }>();
  /** Holder of each advisory lock of the relay. */
  readonly locks = new Map<"leader" | "sleep", SourceSession>();
  private heartbeatMs = 0;
  private leased = false;
  private numbers = 0;
  private transactions = 0;
  /** Ids that a transaction in progress has locked. */
  private readonly locked = new Set<EntityId>();
  /** Transactions that found the relay awake and have not ended. */
  private awakeWriters = 0;
  private readonly sessions = new Map<SimulatedProcess, SourceSession>();
  private readonly listeners = new Map<SimulatedProcess, () => void>();

  constructor(private readonly world: World) {}

  /** The newest version of a product that the log can have; undefined: there is none. */
  newestSent(id: EntityId): number | undefined {
    for (let { version } = this.rows.get(id) ?? { version: 0 }; version > 0; version--)
      if (this.history.get(`${id} ${version}`) !== "large") return version;
    return undefined;
  }

  get isWriting(): boolean {
    return this.locked.size > 0;
  }

  /** A relay's session. */
  openSession(process: SimulatedProcess): SourceSession {
    const session = new SourceSession(this.world, this, process);
    this.sessions.set(process, session);
    return session;
  }

  /** The process has ended: its session ends after what it had sent. */
  disconnect(process: SimulatedProcess): void {
    this.sessions.get(process)?.disconnect();
    this.sessions.delete(process);
  }

  /** Calls back in `process` for each NOTIFY. */
  listen(process: SimulatedProcess, onNotify: () => void): void {
    this.listeners.set(process, onNotify);
  }

  /**
   * Begins a transaction that changes products. It ends after a while, and may be rolled back.
   *
   * @param isResend sends the present state again, as `lockstep repair` does.
   * @param onCommit called at the moment of the commit.
   * @returns false when one of them is locked by another transaction.
   */
  begin(changes: ReadonlyMap<EntityId, Change>, isResend: boolean, durationMs: number, onCommit?: () => void): boolean {
    if ([...changes.keys()].some((id) => this.locked.has(id))) return false;
    const transaction = String(++this.transactions);
    const rows = [...changes].map(([id, change]) => {
      this.locked.add(id);
      const known = this.rows.get(id);
      const row = isResend && known ? known : { version: (known?.version ?? 0) + 1, change };
      return { id, row, captured: this.capture(id, row, transaction, isResend && known !== undefined) };
    });
    const notifies = this.locks.has("sleep");
    if (!notifies) this.awakeWriters++;
    const isRolledBack = this.world.random.chance(0.1);
    this.world.schedule(durationMs, this.world.outside, () => this.end({ rows, notifies, onCommit }, isRolledBack));
    return true;
  }

  /** Executes a statement of the relay. @returns its rows. */
  execute(session: SourceSession, text: string, parameters: readonly unknown[]): readonly object[] {
    if (Object.values(readTexts).includes(text)) {
      const [limit, , , ...done] = parameters as [number, boolean, number, string, string];
      if (text !== readTexts.read) this.acknowledge(done, text === readTexts.acknowledgeHealAndRead);
      return this.readOutbox(limit);
    }
    if (text === setAsideText) return this.moveToSetAside(JSON.parse(parameters[0] as string));
    if (text.includes("from lockstep.relay_positions"))
      return [...this.positions.values()].map((one) => ({ ...one, next: String(one.next) }));
    if (text.includes("lockstep.record_lost_events")) {
      this.world.violate(`P1: the relay reports a loss that did not happen: ${String(parameters[0])}`);
      return [];
    }
    if (text.includes("from lockstep.lost_events")) return [];
    return this.executeLock(session, text);
  }

  /** Ends a session: its locks are free. */
  endSession(session: SourceSession): void {
    for (const [lock, holder] of this.locks) if (holder === session) this.locks.delete(lock);
  }

  private executeLock(session: SourceSession, text: string): readonly object[] {
    const { locks, world } = this;
    if (text.includes("pg_try_advisory_lock") && text.includes("relay_lease")) {
      if (!this.tryLock("leader", session)) return [];
      this.heartbeatMs = world.now;
      this.leased = true;
      return [{}];
    }
    if (text.includes("pg_try_advisory_lock"))
      return [{ asleep: this.awakeWriters === 0 && this.tryLock("sleep", session) }];
    if (text.includes("pg_advisory_unlock")) locks.delete("sleep");
    else if (text.includes("update lockstep.relay_lease")) this.heartbeatMs = world.now;
    else if (text.includes("pg_terminate_backend")) {
      if (this.leased && world.now - this.heartbeatMs > 5_000)
        locks.get("leader")?.end("is terminated by the relay on standby");
    } else throw new Error(`the model of the source does not know the statement ${text}`);
    return [];
  }

  private tryLock(lock: "leader" | "sleep", session: SourceSession): boolean {
    if (!this.locks.has(lock)) this.locks.set(lock, session);
    return this.locks.get(lock) === session;
  }

  private capture(id: EntityId, { version, change }: SourceRow, transaction: string, isResend: boolean): Captured {
    const number = ++this.numbers;
    const isDeleted = change === "deleted";
    const columns = isDeleted ? null : productColumns(id, version, change);
    return {
      number,
      seq: String(number),
      entity: product.name,
      id,
      version,
      operation: isDeleted ? "deleted" : "upserted",
      data: columns && JSON.stringify(columns),
      bytes: 100,
      traceparent: null,
      transaction,
      actor: null,
      digest: isDeleted ? null : String(version),
      resend: isResend ? String(number) : null,
      time: new Date(START_MS + Math.floor(this.world.now)).toISOString(),
    };
  }

  private end({ rows, notifies, onCommit }: Transaction, isRolledBack: boolean): void {
    const { world } = this;
    for (const { id } of rows) this.locked.delete(id);
    if (!notifies) this.awakeWriters--;
    world.trace(world.outside, () => {
      const what = rows.map(
        ({ id, row: { version, change }, captured }) =>
          `${id} v${version} ${change}${captured.resend ? " (resend)" : ""}`,
      );
      return `the source ${isRolledBack ? "rolls back" : "commits"} ${what.join(", ")}`;
    });
    if (isRolledBack) return;
    for (const { id, row, captured } of rows) {
      this.rows.set(id, row);
      this.history.set(`${id} ${row.version}`, row.change);
      this.outbox.set(captured.number, captured);
    }
    if (notifies) this.notify();
    onCommit?.();
  }

  /** A listener may miss it: it then reads the outbox at its next poll. */
  private notify(): void {
    const { world, listeners } = this;
    for (const [process, onNotify] of listeners)
      if (!process.isAlive) listeners.delete(process);
      else if (!world.random.chance(world.rates.request)) world.schedule(1, process, onNotify);
  }

  private readOutbox(limit: number): readonly object[] {
    return [...this.outbox.values()].sort((a, b) => a.number - b.number).slice(0, limit);
  }

  private acknowledge([seqs, positions]: readonly [string, string], heals: boolean): void {
    const numbers = seqs.slice(1, -1).split(",").map(Number);
    for (const number of numbers) {
      const row = this.outbox.get(number);
      this.outbox.delete(number);
      const aside = row && this.setAside.get(row.id);
      if (heals && aside && isNewer(row, aside)) this.setAside.delete(row.id);
    }
    for (const position of JSON.parse(positions) as { topic: string; partition: number; next: number }[])
      this.positions.set(`${position.topic}/${position.partition}`, position);
  }

  private moveToSetAside(given: readonly { seq: string; reason: string }[]): readonly object[] {
    for (const { seq, reason } of given) {
      const row = this.outbox.get(Number(seq));
      if (!row) continue;
      this.world.trace(this.world.outside, () => `the source sets ${row.id} v${row.version} aside: ${reason}`);
      this.outbox.delete(row.number);
      const aside = this.setAside.get(row.id);
      if (!aside || isNewer(row, aside)) this.setAside.set(row.id, { version: row.version, number: row.number });
    }
    return [];
  }
}

const isNewer = (a: SetAside, b: SetAside): boolean =>
  a.version > b.version || (a.version === b.version && a.number > b.number);
