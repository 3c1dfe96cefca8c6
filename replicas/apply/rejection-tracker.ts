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
  /** True for an error of a RAISE statement: a rule of the table's owner, whatever its code is. */
  readonly raised: boolean;
  /** True when a connection broke meanwhile: PostgreSQL may still commit the change. */
  readonly isUncertain?: boolean;
}

/** Result of writing some of a table's own rows again. `empty`: it has none, so nothing is known about the table. */
export type TableTest = "accepts" | "rejects" | "empty";

/** Entities to remember. The list only chooses the statement, so a wrong guess costs time and nothing else. */
const MAX_RECENT = 1_000;
/** Entities rejected in a row, without an accepted row in between, before the table itself is tested. */
const CONSECUTIVE_LIMIT = 20;
/** The same for a table that is empty and cannot be tested: the first rows of the log may all be bad. */
const EMPTY_LIMIT = 1_000;

/** The table accepts no row at all. No event is the cause, and a person has to repair the table. */
export class TableRejectsError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super("TABLE_REJECTS", message, options);
  }
}

const acceptsNoRow = (table: string, { code, message }: Rejection): string =>
  `table ${table} accepts no row (SQLSTATE ${code}: ${message}); repair its schema or its permissions`;

/** Remembers recent rejections of one table. */
export class RejectionTracker {
  /** The oldest rejection is first. */
  private readonly recent = new Set<EntityId>();
  private readonly consecutiveRejections = new Set<EntityId>();
  /** Size of {@link consecutiveRejections} at which the table is tested. */
  private limit = CONSECUTIVE_LIMIT;

  /** @param testTable writes some of the table's rows again. */
  constructor(
    private readonly table: string,
    private readonly testTable: () => Promise<TableTest>,
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
    if (written.length > 0) this.reset();
    if (this.recent.size > 0) for (const id of written) this.recent.delete(id);
    for (const [id, rejection] of rejected) {
      this.remember(id);
      if (written.length > 0) continue;
      this.consecutiveRejections.add(id);
      if (this.consecutiveRejections.size >= this.limit || concernsTable(rejection)) await this.test(rejection);
    }
  }

  private async test(rejection: Rejection): Promise<void> {
    const result = await this.testTable();
    if (result === "accepts") this.reset();
    else if (result === "rejects" || concernsTable(rejection) || this.limit === EMPTY_LIMIT)
      throw new TableRejectsError(acceptsNoRow(this.table, rejection));
    else this.limit = EMPTY_LIMIT;
  }

  private reset(): void {
    this.consecutiveRejections.clear();
    this.limit = CONSECUTIVE_LIMIT;
  }

  private remember(id: EntityId): void {
    this.recent.delete(id);
    this.recent.add(id);
    const [oldest] = this.recent;
    if (this.recent.size > MAX_RECENT && oldest !== undefined) this.recent.delete(oldest);
  }
}

/**
 * A table, column, permission or function is missing (SQLSTATE classes 42 and 3F), or a rule of the table excludes the
 * statement (0A). That usually affects all rows. The same code in a RAISE statement is about the row.
 */
const concernsTable = ({ code, raised }: Rejection): boolean => !raised && /^(0A|3F|42)/.test(code);
