/**
 * Waits until a replica has everything that the source had committed at one moment. A row that is not there then is
 * missing, and not in flight.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { eventsTopic, streamGroup } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

const POLL_MS = 200;

/**
 * Waits for three conditions in turn: the relay has published the outbox rows that exist now, the stream has read to
 * the present end of the events topic, and `isApplied` returns true.
 *
 * @param isApplied polled after the first two: whether the replica has applied what the stream wrote until then.
 * @param timeoutMs for all three together.
 * @returns false when the time is up.
 * @throws {Error} when the source or the log is unavailable.
 */
export async function waitUntilCaughtUp(
  { source, log }: { source: Sql; log: Log },
  entity: EntityDeclaration,
  isApplied: () => Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  const [last] = await source<{ seq: string | null }[]>`select max(seq) as seq from lockstep.outbox`;
  const isPublished = async () => {
    const rows = await source`select from lockstep.outbox where seq <= ${last?.seq ?? 0} limit 1`;
    return rows.length === 0;
  };
  for (const isDone of [isPublished, offsetCheck(log, streamGroup(entity), eventsTopic(entity).name), isApplied])
    while (!(await isDone())) {
      if (performance.now() > deadline) return false;
      await sleep(POLL_MS);
    }
  return true;
}

/** Creates a check that a group has read a topic to its end: the end at the check's first call. */
export function offsetCheck(log: Log, group: string, topic: string): () => Promise<boolean> {
  let ends: Awaited<ReturnType<Log["offsets"]>> | undefined;
  return async () => {
    ends ??= await log.offsets(topic);
    const committed = await log.committedOffsets(group, topic);
    return [...ends].every(([partition, { next }]) => (committed.get(partition) ?? 0) >= next);
  };
}
