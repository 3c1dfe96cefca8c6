/**
 * What a replica thinks of refused rows: whether the rows are bad, or a table that nobody can write to. The first go to the dead letters,
 * the second would empty the log into them.
 */

import type { EntityId } from "../../contracts/entity/document.ts";
import { LockstepError } from "../../contracts/errors.ts";

/** What the database said to one change alone. It was rolled back; the changes beside it are applied. */
export interface Rejection {
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  /** Names of the constraint, column and table, as far as PostgreSQL tells. */
  readonly names: Readonly<Record<string, string>>;
}

/** What is remembered only chooses the statement; a guess that is wrong costs nothing but time. */
const MOST_SUSPECTS = 1_000;
/** Entities refused in a row, no row taken between, after which the table itself is looked at. */
const MANY_IN_VAIN = 20;

/** The table takes no row at all, whatever the change is: no event is to blame, and a person has to act. */
export class TableRejectsError extends LockstepError {
  constructor(table: string, { code, message }: Rejection) {
    super(
      "TABLE_REJECTS",
      `table ${table} takes no row: mend its schema or its permissions (SQLSTATE ${code}: ${message})`,
    );
  }
}

export class RejectionTracker {
  /** Refused lately, the longest ago first. */
  private readonly suspects = new Set<EntityId>();
  private readonly inVain = new Set<EntityId>();

  constructor(
    private readonly table: string,
    /** Whether the table takes any row at all. */
    private readonly takesRows: () => Promise<boolean>,
  ) {}

  /** True for an entity that was refused lately, and probably will be again. */
  recentlyRejected(id: EntityId): boolean {
    return this.suspects.has(id);
  }

  /**
   * To be told of each batch.
   *
   * @param taken entities whose row was written.
   * @throws {TableRejectsError} when nothing was taken for long and the table takes no row: the batch must come again.
   */
  async record(taken: readonly EntityId[], refused: ReadonlyMap<EntityId, Rejection>): Promise<void> {
    if (taken.length > 0) this.inVain.clear();
    if (this.suspects.size > 0) for (const id of taken) this.suspects.delete(id);
    for (const [id, refusal] of refused) {
      this.suspect(id);
      if (taken.length > 0) continue;
      this.inVain.add(id);
      if (this.inVain.size < MANY_IN_VAIN && !isAboutTheTable(refusal)) continue;
      if (!(await this.takesRows())) throw new TableRejectsError(this.table, refusal);
      this.inVain.clear();
    }
  }

  private suspect(id: EntityId): void {
    this.suspects.delete(id);
    this.suspects.add(id);
    const [oldest] = this.suspects;
    if (this.suspects.size > MOST_SUSPECTS && oldest !== undefined) this.suspects.delete(oldest);
  }
}

/** Class 42: a table, a column or a permission is missing. One row may cause it, by a trigger; mostly it is all of them. */
const isAboutTheTable = ({ code }: Rejection): boolean => code.startsWith("42");
