/**
 * Applies each change of a batch in a statement of its own, after the whole batch failed in a way that one row may
 * cause: it makes a trigger run into the statement timeout, exhausts the memory, or ends the server's process.
 *
 * An unavailable database must never turn rows into dead letters. So a row is rejected only when it failed alone
 * {@link MAX_TRIES} times, and after each failure the table accepted a test write (`lockstep.takes_rows`).
 */
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { LockstepError } from "../../contracts/errors.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { isLockTimeout, isRejected, isUndone } from "../../platform/postgres/errors.ts";
import type { ApplyResult, CacheGuard, Change } from "./apply.ts";
import { mayBeRowsFault, rejectionOf } from "./database-errors.ts";
import type { Rejection, TableTest } from "./rejection-tracker.ts";

/** Failures of a row alone, in addition to the failures of its batch. */
const MAX_TRIES = 2;
/** Locked rows, a second each, before the whole table counts as locked. */
const MAX_LOCKED = 5;
/** Delays before each retry of the test write, in milliseconds. A server that crashed restarts meanwhile. */
const TEST_DELAYS_MS = [0, 100, 300, 1_000, 2_000, 3_000];

/** Collaborators of {@link applyAlone}. */
export interface ApplyAloneDeps {
  /** Applies one change, with a short limit for the statement and for its locks. */
  readonly applyOne: (change: Change, guard: CacheGuard) => Promise<ApplyResult>;
  /** Writes some of the table's rows again. */
  readonly testTable: () => Promise<TableTest>;
}

/** Another session has locked rows of the batch. All others are applied, and the batch must be delivered again. */
export class RowsLockedError extends LockstepError {
  constructor(ids: readonly EntityId[], cause: unknown) {
    super("ROWS_LOCKED", `another session has locked ${ids.join(", ")}; end its transaction`, { cause });
  }
}

/**
 * Applies changes one after the other. Each is committed on its own.
 *
 * @throws {EpochMovedError} when `guard` is out of date.
 * @throws {RowsLockedError} when all other changes are applied or rejected.
 * @throws the database's error when the server is the cause, or may be. The first changes may be applied.
 */
export async function applyAlone(
  deps: ApplyAloneDeps,
  changes: readonly Change[],
  guard: CacheGuard,
): Promise<ApplyResult> {
  const unchanged = new Map<EntityId, Version>();
  const altered = new Set<EntityId>();
  const rejected = new Map<EntityId, Rejection>();
  const locked: EntityId[] = [];
  let lockError: unknown;
  for (const change of changes)
    try {
      const result = await applyOrReject(deps, change, guard);
      for (const [id, version] of result.unchanged) unchanged.set(id, version);
      for (const id of result.altered) altered.add(id);
      for (const [id, rejection] of result.rejected) rejected.set(id, rejection);
    } catch (error) {
      if (!isLockTimeout(error) || locked.length === MAX_LOCKED) throw error;
      locked.push(change.id);
      lockError = error;
    }
  if (locked.length > 0) throw new RowsLockedError(locked, lockError);
  return { unchanged, altered, rejected };
}

async function applyOrReject(deps: ApplyAloneDeps, change: Change, guard: CacheGuard): Promise<ApplyResult> {
  let isUncertain = false;
  for (let tries = 1; ; tries++)
    try {
      return await deps.applyOne(change, guard);
    } catch (error) {
      if (!mayBeRowsFault(error)) throw error;
      isUncertain ||= !isUndone(error);
      if (!isRejected(error)) {
        await untilTableAccepts(deps, error);
        if (tries < MAX_TRIES) continue;
      }
      const rejection = { ...rejectionOf(error), isUncertain };
      return { unchanged: new Map(), altered: new Set(), rejected: new Map([[change.id, rejection]]) };
    }
}

/** Resolves when a test write succeeds. @throws `cause` when none does: the row is not known to be the cause. */
async function untilTableAccepts({ testTable }: ApplyAloneDeps, cause: unknown): Promise<void> {
  for (const delayMs of TEST_DELAYS_MS) {
    await sleep(delayMs);
    if ((await testTable().catch(() => "rejects")) !== "rejects") return;
  }
  throw cause;
}
