/**
 * Sends rows that no event told of: there before capture was installed, or loaded while the triggers were off.
 *
 * A step sends some rows and moves the position in one transaction of the source, so a backfill that is killed goes on exactly where it
 * was, and two at once share the work. A row is sent under the version that it has: who has heard of that takes it for a duplicate, and
 * a write that comes between is newer.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { ConsumerBackpressure } from "../consumer-backpressure.ts";
import { waitForOutbox } from "../outbox-backpressure.ts";
import { Throttle } from "./throttle.ts";

/** Rows that one step sends, at most: live writes stand behind them in the outbox. */
const MOST_PER_STEP = 500;
const STEPS_PER_SECOND = 10;

export interface BackfillProgress {
  readonly entity: string;
  /** Rows that were sent since the backfill began, also by earlier runs of it and by those beside this one. */
  readonly sent: number;
  /** The last id that was sent; null: none yet. */
  readonly after: EntityId | null;
  readonly finished: boolean;
  readonly startedAt: Date;
}

/** How a run of it ended. */
export interface BackfillResult extends BackfillProgress {
  /** Rows that earlier runs had sent. */
  readonly earlier: number;
}

export interface BackfillOptions {
  /** Most rows per second. */
  readonly rate: number;
  /** Begins anew after this id, whatever was done before. Undefined: goes on, or begins at the first row. */
  readonly from: EntityId | undefined;
  readonly backlog: Pick<ConsumerBackpressure, "wait">;
  readonly signal: AbortSignal;
  readonly onProgress: (backfill: BackfillProgress) => void;
}

/** Rows of a step at a rate: as many as it takes to keep it with ten steps a second. */
export const stepRows = (rate: number): number =>
  Math.min(MOST_PER_STEP, Math.max(1, Math.ceil(rate / STEPS_PER_SECOND)));

/**
 * Sends all rows of an entity in the order of their ids.
 *
 * @returns how far it came: not finished when `signal` was aborted.
 * @throws {OutboxStuckError} when the outbox does not get shorter. @throws when the source does not answer, or does not capture the entity.
 */
export async function backfill(
  source: Sql,
  entity: EntityDeclaration,
  options: BackfillOptions,
): Promise<BackfillResult> {
  const { rate, from, backlog, signal, onProgress } = options;
  const step = stepRows(rate);
  const throttle = new Throttle(rate);
  let now = backfillOf(await source`select * from lockstep.begin_backfill(${entity.name}, ${from ?? null}::uuid)`);
  const earlier = now.sent;
  while (!now.finished && !signal.aborted) {
    await waitForOutbox(source, step, signal);
    await backlog.wait(signal);
    await throttle.take(step, signal);
    if (signal.aborted) break;
    now = backfillOf(await source`select * from lockstep.backfill(${entity.name}, ${step})`);
    onProgress(now);
  }
  return { ...now, earlier };
}

interface Row {
  readonly entity: string;
  readonly sent: string;
  readonly after: EntityId | null;
  readonly started_at: Date;
  readonly finished_at: Date | null;
}

function backfillOf(rows: readonly object[]): BackfillProgress {
  const { entity, sent, after, started_at, finished_at } = rows[0] as Row;
  return { entity, sent: Number(sent), after, finished: finished_at !== null, startedAt: started_at };
}
