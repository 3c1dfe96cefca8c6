/**
 * Sends rows that have no event: they existed before capture was installed, or were loaded while the triggers were off.
 *
 * Each step sends some rows and moves the position in one transaction of the source. A backfill that was killed
 * therefore continues exactly where it was, and two at the same time share the work. A row is sent under its current
 * version: a replica that has this version ignores it as a duplicate, and a concurrent write is newer.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { ConsumerBackpressure } from "../consumer-backpressure.ts";
import { waitForOutbox } from "../outbox-backpressure.ts";
import { Throttle } from "../throttle.ts";

/**
 * Most rows in a step. Clients' writes queue behind them in the outbox. On two busy cores, 500 rows a step are 12,000
 * rows/s into the outbox, 2,000 are 23,000 to 50,000, and 5,000 are hardly more.
 */
const MAX_STEP_ROWS = 2_000;
const STEPS_PER_SECOND = 10;

/** How far a backfill is. */
export interface BackfillProgress {
  readonly entity: string;
  /** Rows sent since the backfill began, by all of its runs. */
  readonly sent: number;
  /** The last id that was sent; null before the first one. */
  readonly after: EntityId | null;
  readonly finished: boolean;
  readonly startedAt: Date;
}

/** How one run of a backfill ended. */
export interface BackfillResult extends BackfillProgress {
  /** Rows that earlier runs had sent. */
  readonly earlier: number;
}

/** How a resync begins. */
export interface ResyncStart {
  /** The state of the log, stored with the position. */
  readonly logState: object;
  /** True: starts at the first row, also when an earlier resync was interrupted. */
  readonly restart: boolean;
}

/** Settings and collaborators of one run. */
export interface BackfillOptions {
  /** Most rows per second. */
  readonly rate: number;
  /** Starts over after this id. Undefined: continues where the last run ended, or starts at the first row. */
  readonly from: EntityId | undefined;
  /** Present: replicas apply rows also when they have their versions already. `from` is then ignored. */
  readonly resync?: ResyncStart;
  readonly backpressure: Pick<ConsumerBackpressure, "wait">;
  /** Ends the run after its current step. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BackfillProgress) => void;
}

/** Rows per step at ten steps a second: a tenth of `rate`, from 1 to 2,000. */
export const stepRows = (rate: number): number =>
  Math.min(MAX_STEP_ROWS, Math.max(1, Math.ceil(rate / STEPS_PER_SECOND)));

/**
 * Sends all rows of an entity in the order of their ids.
 *
 * @returns how far it came; not finished when `signal` was aborted.
 * @throws {OutboxStuckError} when the outbox does not become shorter.
 * @throws {Error} when the source is unavailable, or does not capture the entity.
 */
export async function backfill(
  source: Sql,
  entity: EntityDeclaration,
  { rate, from, resync, backpressure, signal, onProgress }: BackfillOptions,
): Promise<BackfillResult> {
  const step = stepRows(rate);
  const throttle = new Throttle({ perSecond: rate }, signal);
  let progress = toProgress(
    resync
      ? await source`
          select * from lockstep.begin_resync(
            ${entity.name}, ${JSON.stringify(resync.logState)}::text::jsonb, ${resync.restart})`
      : await source`select * from lockstep.begin_backfill(${entity.name}, ${from ?? null}::text)`,
  );
  const earlier = progress.sent;
  while (!progress.finished && !signal.aborted) {
    await waitForOutbox(source, step, signal);
    await backpressure.wait(signal);
    await throttle.wait(step);
    if (signal.aborted) break;
    progress = toProgress(await source`select * from lockstep.backfill(${entity.name}, ${step})`);
    onProgress(progress);
  }
  return { ...progress, earlier };
}

interface BackfillRow {
  readonly entity: string;
  readonly sent: string;
  readonly after: EntityId | null;
  readonly started_at: Date;
  readonly finished_at: Date | null;
}

function toProgress(rows: readonly object[]): BackfillProgress {
  const { entity, sent, after, started_at, finished_at } = rows[0] as BackfillRow;
  return { entity, sent: Number(sent), after, finished: finished_at !== null, startedAt: started_at };
}
