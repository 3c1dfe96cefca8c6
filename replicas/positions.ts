/**
 * How far the replica's own database is, kept in that database (`lockstep.positions`): the consumer group's offsets say how far the
 * processes are, and know nothing of a database that was emptied or put back from a backup.
 *
 * - A position behind the group's offset: the database lacks what lies between, and it is read again before anything else ({@link missing}).
 * - A position that is older than tombstones are kept: deletes may have been forgotten by the log meanwhile, and only a rebuild
 *   finds them ({@link stale}, P4).
 */
import type { Database } from "../platform/database.ts";
import { type Batch, type Log, nameOf, type TopicPartition } from "../platform/log/log.ts";

export const SAVE_EVERY_MS = 5_000;
/** Of the time that tombstones are kept; the rest is for clocks, and for a rebuild that takes its time. */
const SAFE_PART = 0.5;
/** Kafka's default of `delete.retention.ms`. */
const DEFAULT_RETENTION_MS = 86_400_000;

interface Position {
  readonly at: TopicPartition;
  next: number | undefined;
}

/** The database would come to lack deletes that the log has forgotten: the process ends, and its next start rebuilds. */
export class PositionsStaleError extends Error {
  override readonly name = "PositionsStaleError";
}

/**
 * How long something may be behind the topics and still hear of every delete, in milliseconds.
 *
 * @throws what the log says.
 */
export async function patienceMs(log: Pick<Log, "config">, topics: readonly string[]): Promise<number> {
  const retentions = await Promise.all(
    topics.map(async (topic) => Number((await log.config(topic)).get("delete.retention.ms") ?? DEFAULT_RETENTION_MS)),
  );
  return Math.min(...retentions) * SAFE_PART;
}

/** Where this process' partitions are in the replica's database; saved every {@link SAVE_EVERY_MS}. */
export class Positions {
  private readonly owned = new Map<string, Position>();

  constructor(
    private readonly using: {
      readonly database: Database;
      readonly log: Log;
      readonly group: string;
      readonly topics: readonly string[];
    },
  ) {}

  /** A batch is applied. */
  applied({ topic, partition, records }: Batch): void {
    const last = records.at(-1);
    const position = this.owned.get(nameOf({ topic, partition }));
    if (position && last) position.next = last.offset + 1;
  }

  assigned(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.owned.set(nameOf(at), { at, next: undefined });
  }

  revoked(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.owned.delete(nameOf(at));
  }

  /**
   * Offsets that the group has passed and this database has not: from (inclusive), to (exclusive), the group's offset.
   *
   * @throws what the database or the log says.
   */
  async missing(at: TopicPartition): Promise<{ from: number; to: number }> {
    const [row] = await this.using.database.query(
      (sql) => sql<{ next: string }[]>`
        select next_offset as next from lockstep.positions where topic = ${at.topic} and "partition" = ${at.partition}`,
    );
    const to = (await this.using.log.progress(this.using.group, at.topic)).get(at.partition) ?? 0;
    return { from: Math.min(Number(row?.next ?? 0), to), to };
  }

  /** Everything before `next` is applied. */
  reached(at: TopicPartition, next: number): void {
    const position = this.owned.get(nameOf(at));
    if (position) position.next = next;
  }

  /**
   * For how long this database has not caught up, when that is too long for the log to still have every delete; in milliseconds.
   *
   * @throws what the database or the log says.
   */
  async stale(): Promise<number | undefined> {
    const [row] = await this.using.database.query(
      (sql) => sql<{ age: number | null }[]>`
        select extract(epoch from clock_timestamp() - min(at))::float8 * 1000 as age from lockstep.positions
        where topic in (select jsonb_array_elements_text(${JSON.stringify(this.using.topics)}::text::jsonb))`,
    );
    if (row?.age == null) return undefined;
    return row.age > (await patienceMs(this.using.log, this.using.topics)) ? row.age : undefined;
  }

  /**
   * Saves how far this process has come.
   *
   * @param lagMs age of the oldest change that is not applied; undefined while that is not known: then nothing is saved.
   * @throws {PositionsStaleError} when the database was behind for too long: saving would hide it.
   */
  async save(lagMs: number | undefined): Promise<void> {
    if (lagMs === undefined || this.owned.size === 0) return;
    const stale = await this.stale();
    if (stale !== undefined)
      throw new PositionsStaleError(`the replica has been behind for ${Math.round(stale / 1_000)} s`);
    const known = [...this.owned.values()].filter(({ next }) => next !== undefined);
    const rows = known.map(({ at: { topic, partition }, next }) => ({ topic, partition, next }));
    await this.using.database.query(
      (sql) => sql`
        insert into lockstep.positions as p (topic, "partition", next_offset, at)
        select topic, "partition", next, clock_timestamp() - ${lagMs}::float8 * interval '1 millisecond'
        from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r (topic text, "partition" int, next bigint)
        on conflict (topic, "partition") do update set next_offset = excluded.next_offset, at = greatest(p.at, excluded.at)`,
    );
  }
}
