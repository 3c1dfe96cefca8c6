/** What a replica has written into its database about the log: its topics, and the mark `lockstep.log_incomplete`. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { UserError } from "../../contracts/errors.ts";
import { replicaTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

const POLL_MS = 500;

/** A replica has not noticed that its topics are new ones. */
export class ReplicaNotReadyError extends UserError {
  constructor(replica: string, seconds: number) {
    super(
      `replica ${replica} has not taken over its present topics within ${seconds} s: ` +
        "check that it runs (lockstep status), then run this command again",
      "REPLICA_NOT_READY",
    );
  }
}

/**
 * Waits until a replica reads the topics that exist now. A replica whose topic was created again rebuilds or marks its
 * database first; a mark that it sets later would outlive the resync.
 *
 * @param timeoutMs in milliseconds.
 * @throws {ReplicaNotReadyError} when the time is up.
 * @throws {Error} when the log or the replica's database is unavailable.
 */
export async function waitUntilTopicsNoticed(
  { sql, log, entities }: { readonly sql: Sql; readonly log: Log; readonly entities: readonly EntityDeclaration[] },
  replica: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const topics = entities
    .filter((entity) => entity.replicas.some(({ name }) => name === replica))
    .map((entity) => replicaTopic(entity, replica).name);
  const ids = Object.fromEntries(await log.topicIds(topics));
  const deadline = performance.now() + timeoutMs;
  while (!signal.aborted) {
    const outdated = await sql`
      select from lockstep.positions p
      join jsonb_each_text(${JSON.stringify(ids)}::text::jsonb) as current (topic, id) using (topic)
      where p.at = 'epoch' or (p.topic_id <> '' and p.topic_id <> current.id) limit 1`;
    if (outdated.length === 0) return;
    if (performance.now() > deadline) throw new ReplicaNotReadyError(replica, timeoutMs / 1_000);
    await sleepUnlessAborted(POLL_MS, signal);
  }
}

/**
 * Removes the mark: the log accounts for every row of the replica again. The replica sees it within 5 seconds.
 *
 * @returns why the database was marked; undefined when it was not.
 * @throws {Error} when the database is unavailable.
 */
export async function clearMark(sql: Sql): Promise<string | undefined> {
  const [row] = await sql<{ reason: string }[]>`delete from lockstep.log_incomplete returning reason`;
  return row?.reason;
}
