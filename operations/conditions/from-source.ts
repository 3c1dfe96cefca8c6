/** Conditions of the source, read from its database. */

import { STALLED_MS } from "../../contracts/conditions.ts";
import type { Project } from "../../contracts/project.ts";
import { readCaptureProblems } from "../../pipeline/capture-problems.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";
import readOnly from "./read-only.sql" with { type: "text" };

/** Number of changes in the outbox, and the age of the oldest. */
export interface OutboxState {
  readonly depth: number;
  readonly oldestAgeSeconds: number;
}

/** Counts the changes in the outbox. @throws {Error} when the source is unavailable. */
export async function readOutbox(source: Sql): Promise<OutboxState> {
  const [row] = await source<{ depth: string; age: number | null }[]>`
    select count(*) as depth, extract(epoch from clock_timestamp() - min(at))::float8 as age from lockstep.outbox`;
  return { depth: Number(row!.depth), oldestAgeSeconds: Math.max(0, row!.age ?? 0) };
}

/** Changes wait, whatever the relay says about itself: it may hang or be down. */
export function conditionsOfOutbox({ depth, oldestAgeSeconds }: OutboxState, nowMs: number): ActiveCondition[] {
  if (depth === 0 || oldestAgeSeconds * 1_000 <= STALLED_MS) return [];
  const since = new Date(nowMs - oldestAgeSeconds * 1_000).toISOString();
  const problem = `${depth} changes wait, the oldest for ${Math.round(oldestAgeSeconds)} s`;
  return [activeCondition("outbox-stalled", "relay", problem, since)];
}

/** What {@link readSourceState} reads. */
export interface SourceState {
  readonly readOnly: boolean;
  readonly setAside: { readonly count: number; readonly since: Date | null };
  /** Each loss in words: `products.events/3 from offset 17 to 20`. */
  readonly lostEvents: { readonly ranges: readonly string[]; readonly since: Date | null };
  /** Null: it cannot be checked. */
  readonly capture: readonly { readonly relation: string; readonly problem: string; readonly remedy: string }[] | null;
}

/**
 * Reads whether the source accepts writes, which changes were set aside or lost, and whether capture is whole.
 *
 * @throws {Error} when the source is unavailable.
 */
export async function readSourceState(source: Sql, project: Pick<Project, "allEntities">): Promise<SourceState> {
  const [state] = await source.unsafe<{ read_only: boolean }[]>(readOnly);
  // A source that an older gateway migrated lacks some of them.
  const [has] = await source<{ set_aside: boolean; lost_events: boolean; capture_problems: boolean }[]>`
    select to_regclass('lockstep.set_aside') is not null as set_aside,
      to_regclass('lockstep.lost_events') is not null as lost_events,
      to_regprocedure('lockstep.capture_problems()') is not null as capture_problems`;
  const [aside] = has!.set_aside
    ? await source<{ count: string; since: Date | null }[]>`
        select count(*) as count, min(set_aside_at) as since from lockstep.set_aside`
    : [];
  const lost = has!.lost_events
    ? await source<{ range: string; at: Date }[]>`
        select format('%s/%s from offset %s to %s', topic, "partition", from_offset, to_offset) as range, at
        from lockstep.lost_events order by at`
    : [];
  const capture = has!.capture_problems ? await readCaptureProblems(source, project) : null;
  return {
    readOnly: state!.read_only,
    setAside: { count: Number(aside?.count ?? 0), since: aside?.since ?? null },
    lostEvents: { ranges: lost.map(({ range }) => range), since: lost[0]?.at ?? null },
    capture,
  };
}

/** @param state from {@link readSourceState}. */
export function conditionsOfSource({ readOnly, setAside, lostEvents, capture }: SourceState): ActiveCondition[] {
  const found: ActiveCondition[] = [];
  if (readOnly) found.push(activeCondition("source-read-only", "source", "its sessions are read-only"));
  if (setAside.count > 0) {
    const problem = `${setAside.count} changes are set aside`;
    found.push(activeCondition("rows-set-aside", "relay", problem, setAside.since?.toISOString()));
  }
  if (lostEvents.ranges.length > 0) {
    const problem = `lost events of ${lostEvents.ranges.join(", ")}`;
    found.push(activeCondition("events-lost", "relay", problem, lostEvents.since?.toISOString()));
  }
  if (!capture) {
    const problem = "its capture cannot be checked, because a gateway of an older release has migrated it";
    found.push(activeCondition("status-unknown", "source", problem, null, "start a gateway of this release"));
  }
  for (const { relation, problem, remedy } of capture ?? [])
    found.push(activeCondition("capture-incomplete", relation, `${relation} ${problem}`, null, remedy));
  return found;
}
