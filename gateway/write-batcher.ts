/** Combines the writes of one kind that arrive at the same time into one statement (docs/decisions/003). */
import type { EntityId } from "../contracts/entity/document.ts";
import { Batcher, type BatcherOptions } from "../platform/async/batcher.ts";
import { DatabaseUnavailableError, isRejected } from "../platform/postgres/errors.ts";
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
  /** The row after the change, or the deleted row. Null: the write changed nothing. */
  readonly doc: Record<string, unknown> | null;
  /** For an update or a delete: the version before it. Null: there was no row. */
  readonly version: number | null;
  /** True when an earlier request with the same idempotency key made this write. */
  readonly replayed?: true;
}

/** SQLSTATE of a statement that did not get a lock in time. */
const LOCK_NOT_AVAILABLE = "55P03";
/**
 * How long a statement of several writes waits for a row lock, in milliseconds. A write alone waits without this limit.
 */
const SHARED_LOCK_TIMEOUT_MS = 50;

/** Writes of one kind that may be queued (P14). */
export const MAX_QUEUED = 500;

/** One statement of a kind runs at a time: two would have half as many writes each and cost more. */
const OPTIONS: BatcherOptions<PreparedWrite> = {
  concurrency: 1,
  isolatedConcurrency: 1,
  maxItems: 100,
  maxSize: 1_048_576,
  sizeOf: ({ item }) => item.length,
  keyOf: ({ id }) => id,
  isIsolatable: mayBeCausedByOneRow,
  maxQueued: MAX_QUEUED,
  timeoutMs: 5_000,
  overloadError: (message) => new DatabaseUnavailableError(message, false),
};

/** Runs the writes of one kind: inserts, updates or deletes of one entity. */
export class WriteBatcher {
  private readonly batcher = new Batcher<PreparedWrite, WriteRow>(
    (writes, isolated) => this.run(writes, isolated),
    OPTIONS,
  );

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

  /** Runs writes in one statement: all of them, or none, or (when the connection is lost) with an unknown outcome. */
  private async run(writes: readonly PreparedWrite[], isolated: boolean): Promise<WriteRow[]> {
    const contexts = Object.fromEntries(writes.map(({ id, context }) => [id, context]));
    const items = `[${writes.map(({ item }) => item).join(",")}]`;
    const rows = await execute<WriteRow & { readonly id: EntityId }>(
      this.source,
      writes.some(({ context }) => context.idempotencyKey) ? this.statement.storingKeys : this.statement.plain,
      [items, JSON.stringify(contexts), isolated ? "0" : String(SHARED_LOCK_TIMEOUT_MS)],
      isolated ? MAX_ATTEMPTS : 1,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return writes.map(({ id }) => byId.get(id)!);
  }
}

/** True when the database undid the statement for a reason that may concern one row only. */
function mayBeCausedByOneRow(error: unknown): boolean {
  return isRejected(error) || wasUndone(error) || (error as { code?: string }).code === LOCK_NOT_AVAILABLE;
}
