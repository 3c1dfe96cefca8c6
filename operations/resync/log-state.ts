/** Finds out whether the log has lost records while a resync ran: what was sent would be lost with them. */
import type { Project } from "../../contracts/project.ts";
import { topicsOf } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

/** Identities and ends of all topics of the entities, by name. It is stored with the position of a resync. */
export type LogState = Readonly<Record<string, TopicState>>;

interface TopicState {
  readonly id: string;
  /** Ends of the partitions, in their order. */
  readonly ends: readonly number[];
}

/** @throws {Error} when a topic does not exist or the log is unavailable. */
export async function readLogState(
  log: Pick<Log, "topicIds" | "offsets">,
  { allEntities }: Pick<Project, "allEntities">,
): Promise<LogState> {
  const names = allEntities.flatMap(topicsOf).map(({ name }) => name);
  const ids = await log.topicIds(names);
  const states = names.map(async (name) => {
    const ranges = [...(await log.offsets(name))].toSorted(([a], [b]) => a - b);
    return [name, { id: ids.get(name) ?? "", ends: ranges.map(([, { next }]) => next) }] as const;
  });
  return Object.fromEntries(await Promise.all(states));
}

/** Returns the topics that have lost records between two states: other identities, or ends that went back. */
export const topicsWithLoss = (before: LogState, after: LogState): string[] =>
  Object.entries(before)
    .filter(([name, { id, ends }]) => {
      const now = after[name];
      return now?.id !== id || ends.some((end, partition) => (now.ends[partition] ?? 0) < end);
    })
    .map(([name]) => name);

/**
 * The state in which an interrupted resync of an entity began; undefined when there is none.
 *
 * @throws {Error} when the source is unavailable.
 */
export async function interruptedResync(source: Sql, entity: string): Promise<LogState | undefined> {
  const [row] = await source<{ state: LogState | null }[]>`
    select log_state as state from lockstep.backfills where entity = ${entity} and finished_at is null`;
  return row?.state ?? undefined;
}
