/** Tells whether a copy has heard of everything that the source had committed at some moment: what it lacks then is no longer on its way. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { eventsTopic, streamGroup } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

const ASK_EVERY_MS = 200;

/**
 * Waits until everything that was committed before this call has arrived: the outbox's rows of now are gone, the stream has passed the
 * events' present end, and `taken` says that what it has written until then is in the copy.
 *
 * @param taken is asked again and again, once the stream has got there.
 * @returns false when that did not happen within the time: the copy is behind.
 */
export async function waitUntilCaughtUp(
  deps: { source: Sql; log: Log },
  entity: EntityDeclaration,
  taken: () => Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const { source, log } = deps;
  const end = performance.now() + timeoutMs;
  const [last] = await source<{ seq: string | null }[]>`select max(seq) as seq from lockstep.outbox`;
  const steps = [
    async () => {
      const rows = await source`select from lockstep.outbox where seq <= ${last?.seq ?? 0} limit 1`;
      return rows.length === 0;
    },
    offsetCheck(log, streamGroup, eventsTopic(entity).name),
    taken,
  ];
  for (const done of steps)
    while (!(await done())) {
      if (performance.now() > end) return false;
      await Bun.sleep(ASK_EVERY_MS);
    }
  return true;
}

/** A question: whether a group has passed the end that a topic has when the question is first asked. */
export function offsetCheck(log: Log, group: string, topic: string): () => Promise<boolean> {
  let ends: Awaited<ReturnType<Log["offsets"]>> | undefined;
  return async () => {
    ends ??= await log.offsets(topic);
    const progress = await log.committedOffsets(group, topic);
    return [...ends].every(([partition, { next }]) => (progress.get(partition) ?? 0) >= next);
  };
}
