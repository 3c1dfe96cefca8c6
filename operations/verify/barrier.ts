/** Tells whether a replica has heard of everything that the source had committed at some moment: what it lacks then is no longer on its way. */
import type { EntityDeclaration } from "../../contracts/entity.ts";
import { eventsTopic, replicaGroup, replicaTopic, streamGroup } from "../../contracts/topics.ts";
import type { Log } from "../../platform/log/log.ts";
import type { Sql } from "../../platform/postgres.ts";

const ASK_EVERY_MS = 200;

/**
 * Waits until everything that was committed before this call has been applied by the replica: the outbox's rows of now are gone, the
 * stream has passed the events' present end, and the replica the end of its own topic after that.
 *
 * @returns false when that did not happen within the time: the replica is behind.
 */
export async function caughtUp(
  using: { source: Sql; log: Log },
  entity: EntityDeclaration,
  replica: string,
  withinMs: number,
): Promise<boolean> {
  const { source, log } = using;
  const end = performance.now() + withinMs;
  const [last] = await source<{ seq: string | null }[]>`select max(seq) as seq from lockstep.outbox`;
  const steps = [
    async () => {
      const rows = await source`select from lockstep.outbox where seq <= ${last?.seq ?? 0} limit 1`;
      return rows.length === 0;
    },
    reached(log, streamGroup, eventsTopic(entity).name),
    reached(log, replicaGroup(replica), replicaTopic(entity, replica).name),
  ];
  for (const done of steps)
    while (!(await done())) {
      if (performance.now() > end) return false;
      await Bun.sleep(ASK_EVERY_MS);
    }
  return true;
}

/** A question: whether a group has passed the end that a topic has when the question is first asked. */
function reached(log: Log, group: string, topic: string): () => Promise<boolean> {
  let ends: Awaited<ReturnType<Log["bounds"]>> | undefined;
  return async () => {
    ends ??= await log.bounds(topic);
    const progress = await log.progress(group, topic);
    return [...ends].every(([partition, { next }]) => (progress.get(partition) ?? 0) >= next);
  };
}
