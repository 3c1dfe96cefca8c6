/** Decides whether a rebuild may continue with the new tables of an interrupted one. */
import type { Log } from "../../../kafka/log.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { dropNewSchema } from "./tables.ts";

interface FilledPosition {
  readonly topic: string;
  readonly partition: number;
  readonly next: string;
  readonly topicId: string | null;
  /** Milliseconds since the filling of the partition began. */
  readonly ageMs: number;
}

/**
 * Drops new tables that the log cannot complete:
 * - The topic was created again, or holds no record at the position: the tables are of another log.
 * - Their filling began more than `maxAgeMs` ago: the log may have deleted tombstones since. An entity that was read
 *   before its delete would stay for ever (P4).
 *
 * @param topicIds identities of the replica's topics, by name.
 * @throws the database's or the log's error.
 */
export async function dropUnusableNewSchema(
  sql: Sql,
  log: Pick<Log, "offsets">,
  topicIds: ReadonlyMap<string, string>,
  maxAgeMs: number,
): Promise<void> {
  const [table] = await sql<{ exists: boolean }[]>`
    select to_regclass('lockstep_next.positions') is not null as exists`;
  if (!table!.exists) return;
  const isCurrent = await sql`
    select from pg_attribute where attrelid = 'lockstep_next.positions'::regclass and attname = 'topic_id'`;
  if (isCurrent.length === 0) return void (await dropNewSchema(sql)); // of a release before identities
  const positions = await sql<FilledPosition[]>`
    select topic, "partition", next_offset as next, topic_id as "topicId",
      extract(epoch from clock_timestamp() - at)::float8 * 1000 as "ageMs"
    from lockstep_next.positions`;
  for (const { topic, partition, next, topicId, ageMs } of positions) {
    const range = topicIds.has(topic) ? (await log.offsets(topic)).get(partition) : undefined;
    const isInside = range !== undefined && Number(next) >= range.first && Number(next) <= range.next;
    if (!isInside || (topicId ?? "") !== topicIds.get(topic) || ageMs > maxAgeMs)
      return void (await dropNewSchema(sql));
  }
}
