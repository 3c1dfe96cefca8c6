/**
 * Distinguishes a bad row from a bad table (P6). A rejected row becomes a dead letter. A table that accepts no row
 * would turn the whole log into dead letters, so its consumer pauses until the table is repaired.
 */
import type { EntityId } from "../../contracts/entity/document.ts";
import { LockstepError } from "../../contracts/errors.ts";

/** PostgreSQL's error for one change on its own. The other changes of its batch are applied. */
export interface Rejection {
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  /** Names of the constraint, column and table; empty where PostgreSQL reports none. */
  readonly names: Readonly<Record<string, string>>;
}

/** Entities to remember. The list only chooses the statement, so a wrong guess costs time and nothing else. */
const MAX_RECENT = 1_000;
/** Entities rejected in a row, without an accepted row in between, before the table itself is tested. */
const CONSECUTIVE_LIMIT = 20;

/** The table accepts no row at all. No event is the cause, and a person has to repair the table. */
export class TableRejectsError extends LockstepError {
  constructor(table: string, { code, message }: Rejection) {
    super(
      "TABLE_REJECTS",
      `table ${table} accepts no row (SQLSTATE ${code}: ${message}); repair its schema or its permissions`,
    );
  }
}

/** Remembers recent rejections of one table. */
export class RejectionTracker {
  /** The oldest rejection is first. */
  private readonly recent = new Set<EntityId>();
  private readonly consecutiveRejections = new Set<EntityId>();

  /** @param testTable resolves with true when the table accepts at least one row. */
  constructor(
    private readonly table: string,
    private readonly testTable: () => Promise<boolean>,
  ) {}

  /** True for an entity whose last change was rejected; the next one will probably be rejected too. */
  recentlyRejected(id: EntityId): boolean {
    return this.recent.has(id);
  }

  /**
   * Records the result of one batch.
   *
   * @param written entities whose row was written.
   * @throws {TableRejectsError} when no row was accepted for a while and the table fails its test. The batch must be
   * delivered again.
   */
  async record(written: readonly EntityId[], rejected: ReadonlyMap<EntityId, Rejection>): Promise<void> {
    if (written.length > 0) this.consecutiveRejections.clear();
    if (this.recent.size > 0) for (const id of written) this.recent.delete(id);
    for (const [id, rejection] of rejected) {
      this.remember(id);
      if (written.length > 0) continue;
      this.consecutiveRejections.add(id);
      if (this.consecutiveRejections.size < CONSECUTIVE_LIMIT && !concernsTable(rejection)) continue;
      if (!(await this.testTable())) throw new TableRejectsError(this.table, rejection);
      this.consecutiveRejections.clear();
    }
  }

  private remember(id: EntityId): void {
    this.recent.delete(id);
    this.recent.add(id);
    const [oldest] = this.recent;
    if (this.recent.size > MAX_RECENT && oldest !== undefined) this.recent.delete(oldest);
  }
}

/** SQLSTATE class 42: a table, column or permission is missing. That usually affects all rows. */
const concernsTable = ({ code }: Rejection): boolean => code.startsWith("42");
