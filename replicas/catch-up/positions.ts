/**
 * How far the replica's own database is, kept in that database (`lockstep.positions`): the consumer group's offsets say how far the
 * processes are, and know nothing of a database that was emptied or put back from a backup.
 *
 * - A position behind the group's offset: the database lacks what lies between, and it is read again before anything else ({@link missing}).
 * - A position that is older than tombstones are kept, or that the log no longer reaches back to: deletes may have been forgotten by
 *   the log meanwhile, and only a rebuild finds them ({@link stale}, P4).
 * - A position behind what this process has seen there, or in another life of the database: it went back under us, by a restore or a
 *   failover to a server that lagged ({@link DatabaseWentBackError}).
 */

import { LockstepError } from "../../contracts/errors.ts";
import { type Batch, type Log, type OffsetRange, partitionKey, type TopicPartition } from "../../kafka/log.ts";
import type { Database } from "../../platform/postgres/database.ts";
import savePositions from "./save-positions.sql" with { type: "text" };

export const SAVE_EVERY_MS = 5_000;
/** Of the time that tombstones are kept; the rest is for clocks, and for a rebuild that takes its time. */
const SAFE_PART = 0.5;
/** Kafka's default of `delete.retention.ms`. */
const DEFAULT_RETENTION_MS = 86_400_000;

const TIMES_ASKED = 3;
const ASK_AGAIN_MS = 1_000;

interface Position {
  readonly at: TopicPartition;
  next: number | undefined;
  /** What the database was last seen to have; undefined: nothing. */
  saved: number | undefined;
}

/** The database lacks what it had: the process ends, and its next start reads again what is missing. */
export class DatabaseWentBackError extends LockstepError {
  constructor(message: string) {
    super("DATABASE_WENT_BACK", message);
  }
}

/** The database would come to lack deletes that the log has forgotten: the process ends, and its next start rebuilds. */
export class PositionsStaleError extends LockstepError {
  constructor(message: string) {
    super("POSITIONS_STALE", message);
  }
}

/**
 * How long something may be behind the topics and still hear of every delete, in milliseconds.
 *
 * @throws what the log says.
 */
export async function maxAbsenceMs(log: Pick<Log, "topicConfig">, topics: readonly string[]): Promise<number> {
  const retentions = await Promise.all(
    topics.map(async (topic) =>
      Number((await log.topicConfig(topic)).get("delete.retention.ms") ?? DEFAULT_RETENTION_MS),
    ),
  );
  return Math.min(...retentions) * SAFE_PART;
}

export interface PositionsParts {
  readonly database: Database;
  readonly log: Pick<Log, "offsets" | "topicConfig" | "committedOffsets">;
  readonly group: string;
  readonly topics: readonly string[];
}

/** Where this process' partitions are in the replica's database; saved every {@link SAVE_EVERY_MS}. */
export class Positions {
  private readonly owned = new Map<string, Position>();
  /** Null: the database does not tell. */
  private incarnation: string | null = null;

  constructor(private readonly deps: PositionsParts) {}

  /** Learns which life of the database it is whose positions are read from here on. @throws what the database says. */
  async begin(): Promise<void> {
    this.incarnation = await this.deps.database.query(
      async (sql) => (await sql<{ told: string | null }[]>`select lockstep.incarnation() as told`)[0]!.told,
    );
  }

  /** A batch is applied. */
  applied({ topic, partition, records }: Batch): void {
    const last = records.at(-1);
    const position = this.owned.get(partitionKey({ topic, partition }));
    // After a rebuild the database is ahead of its group, and hears again what it has.
    if (position && last) position.next = Math.max(position.next ?? 0, last.offset + 1);
  }

  assigned(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.owned.set(partitionKey(at), { at, next: undefined, saved: undefined });
  }

  revoked(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.owned.delete(partitionKey(at));
  }

  /**
   * Offsets that the group has passed and this database has not: `from` (inclusive) to `to` (exclusive), the group's offset; everything
   * before `next` is in the database once it has them.
   *
   * @returns with `lost` when the log no longer has what comes after the database's position, or never had that position: then it was
   * made anew. A database that has no position yet takes what the log has, and lacks nothing.
   * @throws what the database or the log says.
   */
  async missing(at: TopicPartition): Promise<{ from: number; to: number; next: number; lost: boolean }> {
    const { database, log, group } = this.deps;
    const [row] = await database.query(
      (sql) => sql<{ next: string }[]>`
        select next_offset as next from lockstep.positions where topic = ${at.topic} and "partition" = ${at.partition}`,
    );
    const position = this.owned.get(partitionKey(at));
    if (position) position.saved = row && Number(row.next);
    const here = Number(row?.next ?? 0);
    const to = (await log.committedOffsets(group, at.topic)).get(at.partition) ?? 0;
    const from = Math.min(here, to);
    // What the log never had, or had lost before this database began, is nothing that it lacks.
    if (!row) return { from, to, next: Math.max(to, (await this.boundsOf(at)).first), lost: false };
    return { from, to, next: Math.max(here, to), lost: await this.outside(at, here) };
  }

  private async boundsOf({ topic, partition }: TopicPartition): Promise<OffsetRange> {
    return (await this.deps.log.offsets(topic)).get(partition) ?? { first: 0, next: 0 };
  }

  /** A broker that has just become leader may not know of the last records for a moment: that is asked more than once. */
  private async outside(at: TopicPartition, offset: number): Promise<boolean> {
    for (let asked = 1; ; asked++) {
      const { first, next } = await this.boundsOf(at);
      if (offset < first) return true;
      if (offset <= next) return false;
      if (asked === TIMES_ASKED) return true;
      await Bun.sleep(ASK_AGAIN_MS);
    }
  }

  /** Everything before `next` is applied. */
  reached(at: TopicPartition, next: number): void {
    const position = this.owned.get(partitionKey(at));
    if (position) position.next = next;
  }

  /**
   * The log no longer has what this database lacks of a partition: from now on it is {@link stale}, for every process of the replica and
   * over restarts, until it is rebuilt.
   *
   * @throws what the database says.
   */
  async giveUp({ topic, partition }: TopicPartition): Promise<void> {
    await this.deps.database.query(
      (sql) => sql`
        insert into lockstep.positions (topic, "partition", next_offset, at) values (${topic}, ${partition}, 0, 'epoch')
        on conflict (topic, "partition") do update set at = excluded.at`,
    );
  }

  /**
   * Why the log cannot bring this database up to date any more, for people; undefined while it can.
   *
   * @throws what the database or the log says.
   */
  async stale(): Promise<string | undefined> {
    const [row] = await this.deps.database.query(
      (sql) => sql<{ age: number | null; lost: boolean | null }[]>`
        select extract(epoch from clock_timestamp() - min(at))::float8 * 1000 as age, bool_or(at = 'epoch') as lost
        from lockstep.positions
        where topic in (select jsonb_array_elements_text(${JSON.stringify(this.deps.topics)}::text::jsonb))`,
    );
    if (row?.age == null) return undefined;
    if (row.lost) return "the log has lost changes that this database had not seen yet";
    return row.age > (await maxAbsenceMs(this.deps.log, this.deps.topics))
      ? `behind for ${Math.round(row.age / 1_000)} s, and the log keeps deletes for no longer than that`
      : undefined;
  }

  /**
   * Saves how far this process has come.
   *
   * @param lagMs age of the oldest change that is not applied; undefined while that is not known: then nothing is saved.
   * @throws {PositionsStaleError} when the log cannot bring the database up to date any more: saving would hide it.
   * @throws {DatabaseWentBackError} when the database has less than it had: saving would hide that, too.
   */
  async save(lagMs: number | undefined): Promise<void> {
    const known = [...this.owned.values()].filter(({ next }) => next !== undefined);
    if (lagMs === undefined || known.length === 0) return;
    const stale = await this.stale();
    if (stale !== undefined) throw new PositionsStaleError(stale);
    const rows = known.map(({ at, next, saved = null }) => ({ ...at, next, saved }));
    const answers = await this.deps.database.query((sql) =>
      sql.unsafe<{ topic: string; partition: number; here: string | null; back: boolean }[]>(savePositions, [
        JSON.stringify(rows),
        lagMs,
        this.incarnation,
      ]),
    );
    if (answers.some(({ back }) => back))
      throw new DatabaseWentBackError(
        "the database lacks what it had: it was restored, or a server that lagged took over",
      );
    for (const { topic, partition, here } of answers) {
      const position = this.owned.get(partitionKey({ topic, partition }));
      if (position && here !== null) position.saved = Number(here);
    }
  }
}
