/** Combines the writes of one kind that arrive at the same time into one statement (docs/decisions/003). */
import type { EntityId } from "../contracts/entity/document.ts";
import { Batcher, type BatcherOptions, type WorkMode } from "../platform/async/batcher.ts";
import { LoadShedder, type Queue } from "../platform/async/load-shedder.ts";
import { DatabaseUnavailableError, isLockTimeout, isRejected } from "../platform/postgres/errors.ts";
import type { Source } from "./source.ts";
import { execute, MAX_ATTEMPTS, wasUndone } from "./statements/execute.ts";
import type { WriteStatement } from "./statements/index.ts";
import type { WriteContext } from "./write-context.ts";

/** A write in the form that its statement takes. */
export interface PreparedWrite {
  readonly id: EntityId;
  /** The write's item in the statement's list, as JSON. */
  readonly item: string;
  readonly context: WriteContext;
}

/** The answer of a statement to one write. */
export interface WriteRow {
  /**
   * The row after the change, or the deleted row. A text for an entity whose numbers need all of their digits. Null:
   * the write changed nothing.
   */
  readonly doc: Record<string, unknown> | string | null;
  /** For an update or a delete: the version before it. Null: there was no row. */
  readonly version: number | null;
  /** The member whose unique value another row has: the write changed nothing. Null: no such value is known. */
  readonly taken: string | null;
  /** The version that the write made, where it is no column of the row. */
  readonly written?: number | null;
  /** True when an earlier request with the same idempotency key made this write. */
  readonly replayed?: true;
}

/**
 * How long a statement waits for a row lock, in milliseconds. 0: as long as it may run. Statements of several writes
 * wait briefly, because their other writes wait with them.
 */
const LOCK_TIMEOUT_MS: Readonly<Record<WorkMode, number>> = { batch: 50, part: 5, alone: 0 };

/** How long the statements go on answering taken values after the last one, in milliseconds. */
const CHECK_TAKEN_MS = 10_000;
/** SQLSTATE of a unique value that is taken. */
const UNIQUE_VIOLATION = "23505";
/** SQLSTATEs of a trigger that cannot reach a foreign server. */
const FOREIGN_SERVER_CODES = ["08001", "08004", "08006"];

/** Writes of one kind that may be queued (P14). */
export const MAX_QUEUED = 500;

/** Writes in one statement. */
const MAX_ITEMS = 100;

/**
 * While many writes come, one waits up to 4 ms for others: a statement of three writes costs the source half as much per
 * write as a statement of one (docs/decisions/003).
 */
const GATHER = { minPerSecond: 250, maxMs: 4 };

/** One statement of a kind runs at a time: two would have half as many writes each and cost more. */
const OPTIONS: BatcherOptions<PreparedWrite> = {
  concurrency: 1,
  isolatedConcurrency: 2,
  maxItems: MAX_ITEMS,
  maxSize: 1_048_576,
  sizeOf: ({ item }) => item.length,
  keyOf: ({ id }) => id,
  isIsolatable: mayBeCausedByOneRow,
  shouldRunAlone: isContention,
  gather: GATHER,
  maxQueued: MAX_QUEUED,
  timeoutMs: 5_000,
  overloadError: (message) => new DatabaseUnavailableError(message, false),
};

/** Runs the writes of one kind: inserts, updates or deletes of one entity. */
export class WriteBatcher implements Queue {
  private readonly batcher = new Batcher<PreparedWrite, WriteRow>((writes, mode) => this.run(writes, mode), OPTIONS);

  /** Admits the requests that make these writes: while one full statement runs, another one may fill. */
  readonly shedder = new LoadShedder(this, 2 * MAX_ITEMS);

  /** Until this time the statements answer taken values, see {@link WriteStatement.text}. */
  private checkTakenUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly source: Source,
    private readonly statement: WriteStatement,
  ) {}

  /**
   * Runs a write, in one statement with others where possible.
   *
   * @throws {DatabaseUnavailableError} when {@link MAX_QUEUED} writes are queued, when the write was queued for more
   * than 5 s, or when the source is unavailable; and the errors of the database.
   */
  add(write: PreparedWrite): Promise<WriteRow> {
    return this.batcher.add(write);
  }

  /** Number of writes that wait for their statement. */
  get queued(): number {
    return this.batcher.queued;
  }

  /** How long writes wait for their statement, in milliseconds. */
  get queueTimeMs(): number {
    return this.batcher.queueTimeMs;
  }

  /** True when {@link MAX_QUEUED} writes are queued. */
  get isFull(): boolean {
    return this.queued >= MAX_QUEUED;
  }

  /** Runs writes in one statement: all of them, or none, or (when the connection is lost) with an unknown outcome. */
  private async run(writes: readonly PreparedWrite[], mode: WorkMode): Promise<WriteRow[]> {
    const contexts = Object.fromEntries(writes.map(({ id, context }) => [id, context]));
    const items = `[${writes.map(({ item }) => item).join(",")}]`;
    const text = this.statement.text({
      storesKeys: writes.some(({ context }) => context.idempotencyKey),
      checksTaken: performance.now() < this.checkTakenUntilMs,
    });
    try {
      const rows = await execute<IdentifiedRow>(
        this.source,
        text,
        [items, JSON.stringify(contexts), String(LOCK_TIMEOUT_MS[mode])],
        mode === "alone" ? MAX_ATTEMPTS : 1,
      );
      if (rows.some(({ taken }) => taken !== null)) this.onTaken();
      return assign(rows, writes);
    } catch (error) {
      if (codeOf(error) === UNIQUE_VIOLATION) this.onTaken();
      throw error;
    }
  }

  private onTaken(): void {
    this.checkTakenUntilMs = performance.now() + CHECK_TAKEN_MS;
  }
}

type IdentifiedRow = WriteRow & { readonly id: EntityId };

/**
 * Finds the row of each write. A write without a row was skipped by a trigger.
 *
 * @throws {DatabaseUnavailableError} when a trigger stored rows under other ids and skipped others: nothing says which.
 */
function assign(rows: readonly IdentifiedRow[], writes: readonly PreparedWrite[]): WriteRow[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const missing = writes.filter(({ id }) => !byId.has(id));
  if (missing.length > 0) {
    const ids = new Set(writes.map(({ id }) => id));
    // A trigger chose other ids. An insert answers its rows in the order of the writes.
    const others = rows.filter(({ id }) => !ids.has(id));
    if (others.length > 0 && others.length < missing.length)
      throw new DatabaseUnavailableError("a trigger of the database stored rows under other ids", true);
    for (const [i, row] of others.entries()) byId.set(missing[i]!.id, row);
  }
  return writes.map(({ id }) => byId.get(id) ?? SKIPPED);
}

const SKIPPED: WriteRow = { doc: null, version: null, taken: null };

/** True when the database undid the statement for a reason that may concern one row only. */
function mayBeCausedByOneRow(error: unknown): boolean {
  return isRejected(error) || isContention(error) || FOREIGN_SERVER_CODES.includes(codeOf(error));
}

/** True when the statement met other transactions: the same write may succeed when it waits for them. */
function isContention(error: unknown): boolean {
  return wasUndone(error) || isLockTimeout(error);
}

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? "";
