/** Conditions of the source, read from its database. */
import type { Sql } from "../../platform/postgres/connect.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";

/** Number of changes in the outbox, and the age of the oldest. */
export interface OutboxState {
  readonly depth: number;
  readonly oldestAgeSeconds: number;
}

/** Age at which a change in the outbox is a condition, in seconds. */
const MAX_OUTBOX_AGE_S = 10;

/** Counts the changes in the outbox. @throws {Error} when the source is unavailable. */
export async function readOutbox(source: Sql): Promise<OutboxState> {
  const [row] = await source<{ depth: string; age: number | null }[]>`
    select count(*) as depth, extract(epoch from clock_timestamp() - min(at))::float8 as age from lockstep.outbox`;
  return { depth: Number(row!.depth), oldestAgeSeconds: Math.max(0, row!.age ?? 0) };
}

/** Changes wait, whatever the relay says about itself: it may hang or be down. */
export function conditionsOfOutbox({ depth, oldestAgeSeconds }: OutboxState, nowMs: number): ActiveCondition[] {
  if (depth === 0 || oldestAgeSeconds <= MAX_OUTBOX_AGE_S) return [];
  const since = new Date(nowMs - oldestAgeSeconds * 1_000).toISOString();
  const problem = `${depth} changes wait, the oldest for ${Math.round(oldestAgeSeconds)} s`;
  return [activeCondition("outbox-stalled", "relay", problem, since)];
}

interface SourceState {
  readonly readOnly: boolean;
  readonly setAside: { readonly count: number; readonly since: Date | null };
  readonly capture: readonly { readonly relation: string; readonly problem: string; readonly remedy: string }[];
}

/**
 * Reads whether the source accepts writes, which changes were set aside, and whether capture is whole.
 *
 * @throws {Error} when the source is unavailable.
 */
export async function readSourceState(source: Sql): Promise<SourceState> {
  const [state] = await source<{ read_only: boolean; has_set_aside: boolean; has_capture_check: boolean }[]>`
    select current_setting('transaction_read_only') = 'on' as read_only,
      to_regclass('lockstep.set_aside') is not null as has_set_aside,
      to_regprocedure('lockstep.capture_problems()') is not null as has_capture_check`;
  const { read_only: readOnly, has_set_aside, has_capture_check } = state!;
  // A source that an older gateway migrated has neither.
  const [aside] = has_set_aside
    ? await source<{ count: string; since: Date | null }[]>`
        select count(*) as count, min(set_aside_at) as since from lockstep.set_aside`
    : [];
  const capture = has_capture_check
    ? await source<SourceState["capture"][number][]>`
        select relation::text as relation, problem, remedy from lockstep.capture_problems()`
    : [];
  return { readOnly, setAside: { count: Number(aside?.count ?? 0), since: aside?.since ?? null }, capture };
}

/** @param state from {@link readSourceState}. */
export function conditionsOfSource({ readOnly, setAside, capture }: SourceState): ActiveCondition[] {
  const found: ActiveCondition[] = [];
  if (readOnly) found.push(activeCondition("source-read-only", "source", "its sessions are read-only"));
  if (setAside.count > 0) {
    const since = setAside.since?.toISOString() ?? null;
    found.push(activeCondition("rows-set-aside", "relay", `${setAside.count} changes are set aside`, since));
  }
  for (const { relation, problem, remedy } of capture)
    found.push(activeCondition("capture-incomplete", relation, `${relation} ${problem}`, null, remedy));
  return found;
}
