/**
 * Tracks how far the replica's own database has applied each partition. The positions are in that database
 * (`lockstep.positions`), because the consumer group's offsets do not change when the database is emptied or restored
 * from a backup.
 *
 * - A position below the group's offset: the database lacks the records between, and they are read again
 *   ({@link Positions.missing}).
 * - A position older than the log keeps tombstones, or below the log's first offset: the log may have deleted
 *   tombstones that the database lacks, and only a rebuild finds those deletes ({@link Positions.stale}, P4).
 * - A position below the one that this process saved, or another incarnation of the database: the database went back in
 *   time, by a restore or a failover to a server that lagged ({@link DatabaseWentBackError}).
 */
import { LockstepError } from "../../contracts/errors.ts";
import { type Batch, type Log, type OffsetRange, partitionKey, type TopicPartition } from "../../kafka/log.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Database } from "../../platform/postgres/database.ts";
import savePositions from "./save-positions.sql" with { type: "text" };

/** Time between two saves, in milliseconds. */
export const SAVE_INTERVAL_MS = 5_000;
/** Share of `delete.retention.ms` that a replica may be stopped for. The rest is for clocks and the rebuild. */
const SAFE_SHARE = 0.5;
/** Kafka's default of `delete.retention.ms`. */
const DEFAULT_RETENTION_MS = 86_400_000;

const MAX_READS = 3;
const READ_DELAY_MS = 1_000;

interface Position {
  readonly at: TopicPartition;
  /** Everything below this offset is applied; undefined until catch-up has finished. */
  next: number | undefined;
  /** The position that the database had when it was last read; undefined: none. */
  saved: number | undefined;
}

/** Records that the database lacks. */
export interface MissingRecords {
  /** First offset to read, inclusive. */
  readonly from: number;
  /** The group's offset, exclusive. */
  readonly to: number;
  /** Everything below is in the database once it has the missing records. */
  readonly next: number;
  /** True when the log has deleted some of the missing records, or never had the position, because it was recreated. */
  readonly lost: boolean;
}

/** The database has less than this process saved. The process ends, and its next start reads the missing records. */
export class DatabaseWentBackError extends LockstepError {
  constructor(message: string) {
    super("DATABASE_WENT_BACK", message);
  }
}

/** The log may have deleted tombstones that the database lacks. The process ends, and its next start rebuilds. */
export class PositionsStaleError extends LockstepError {
  constructor(message: string) {
    super("POSITIONS_STALE", message);
  }
}

/**
 * How long a database may be behind the topics without missing a delete, in milliseconds: half of the shortest
 * `delete.retention.ms`.
 *
 * @throws the log's error.
 */
export async function maxAbsenceMs(log: Pick<Log, "topicConfig">, topics: readonly string[]): Promise<number> {
  const retentions = await Promise.all(
    topics.map(async (topic) =>
      Number((await log.topicConfig(topic)).get("delete.retention.ms") ?? DEFAULT_RETENTION_MS),
    ),
  );
  return Math.min(...retentions) * SAFE_SHARE;
}

/** Collaborators of {@link Positions}. */
export interface PositionsDeps {
  readonly database: Database;
  readonly log: Pick<Log, "offsets" | "topicConfig" | "committedOffsets">;
  /** Consumer group of the replica. */
  readonly group: string;
  /** All topics of the replica. */
  readonly topics: readonly string[];
}

/** Positions of this process' partitions, saved every {@link SAVE_INTERVAL_MS}. */
export class Positions {
  private readonly owned = new Map<string, Position>();
  /** Null: the database role may not read it. */
  private incarnation: string | null = null;

  constructor(private readonly deps: PositionsDeps) {}

  /** Reads the incarnation of the database whose positions are read from here on. @throws the database's error. */
  async begin(): Promise<void> {
    const [row] = await this.deps.database.query(
      (sql) => sql<{ incarnation: string | null }[]>`select lockstep.incarnation() as incarnation`,
    );
    this.incarnation = row!.incarnation;
  }

  /** A batch is applied. */
  applied({ topic, partition, records }: Batch): void {
    const last = records.at(-1);
    const position = this.owned.get(partitionKey({ topic, partition }));
    // After a rebuild the database is ahead of its group, and receives records that it already has.
    if (position && last) position.next = Math.max(position.next ?? 0, last.offset + 1);
  }

  /** This process owns the partitions from now on. */
  assigned(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.owned.set(partitionKey(at), { at, next: undefined, saved: undefined });
  }

  /** Other processes own the partitions from now on. */
  revoked(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.owned.delete(partitionKey(at));
  }

  /**
   * Finds the records that the group has passed and the database lacks. A database without a position takes what the
   * log has: what the log deleted before this database existed is not lost.
   *
   * @throws the database's or the log's error.
   */
  async missing(at: TopicPartition): Promise<MissingRecords> {
    const { database, log, group } = this.deps;
    const [row] = await database.query(
      (sql) => sql<{ next: string }[]>`
        select next_offset as next from lockstep.positions where topic = ${at.topic} and "partition" = ${at.partition}`,
    );
    const position = this.owned.get(partitionKey(at));
    if (position) position.saved = row && Number(row.next);
    const saved = Number(row?.next ?? 0);
    const to = (await log.committedOffsets(group, at.topic)).get(at.partition) ?? 0;
    const from = Math.min(saved, to);
    if (!row) return { from, to, next: Math.max(to, (await this.offsetsOf(at)).first), lost: false };
    return { from, to, next: Math.max(saved, to), lost: await this.isOutside(at, saved) };
  }

  private async offsetsOf({ topic, partition }: TopicPartition): Promise<OffsetRange> {
    return (await this.deps.log.offsets(topic)).get(partition) ?? { first: 0, next: 0 };
  }

  /** Reads an end below the offset {@link MAX_READS} times: a new leader may lack the last records at first. */
  private async isOutside(at: TopicPartition, offset: number): Promise<boolean> {
    for (let reads = 1; ; reads++) {
      const { first, next } = await this.offsetsOf(at);
      if (offset < first) return true;
      if (offset <= next) return false;
      if (reads === MAX_READS) return true;
      await sleep(READ_DELAY_MS);
    }
  }

  /** Everything below `next` is applied. */
  reached(at: TopicPartition, next: number): void {
    const position = this.owned.get(partitionKey(at));
    if (position) position.next = next;
  }

  /**
   * Records that the log has deleted what this database lacks of a partition. The database is {@link stale} from now
   * on, for every process of the replica and across restarts, until it is rebuilt.
   *
   * @throws the database's error.
   */
  async markLost({ topic, partition }: TopicPartition): Promise<void> {
    await this.deps.database.query(
      (sql) => sql`
        insert into lockstep.positions (topic, "partition", next_offset, at) values (${topic}, ${partition}, 0, 'epoch')
        on conflict (topic, "partition") do update set at = excluded.at`,
    );
  }

  /**
   * Why the log cannot bring this database up to date, for people; undefined while it can.
   *
   * @throws the database's or the log's error.
   */
  async stale(): Promise<string | undefined> {
    const [row] = await this.deps.database.query(
      (sql) => sql<{ age: number | null; lost: boolean | null }[]>`
        select extract(epoch from clock_timestamp() - min(at))::float8 * 1000 as age, bool_or(at = 'epoch') as lost
        from lockstep.positions
        where topic in (select jsonb_array_elements_text(${JSON.stringify(this.deps.topics)}::text::jsonb))`,
    );
    if (row?.age == null) return undefined;
    if (row.lost) return "the log has deleted changes that this database lacks";
    const maxMs = await maxAbsenceMs(this.deps.log, this.deps.topics);
    return row.age > maxMs
      ? `the database is ${Math.round(row.age / 1_000)} s behind, and only ${Math.round(maxMs / 1_000)} s are safe before the log deletes tombstones`
      : undefined;
  }

  /**
   * Saves how far this process has come.
   *
   * @param lagMs age of the oldest unapplied change. Undefined: unknown, and nothing is saved.
   * @throws {PositionsStaleError} when the log cannot bring the database up to date: saving would hide it.
   * @throws {DatabaseWentBackError} when the database has less than it had: saving would hide that too.
   */
  async save(lagMs: number | undefined): Promise<void> {
    const reached = [...this.owned.values()].filter(({ next }) => next !== undefined);
    if (lagMs === undefined || reached.length === 0) return;
    const stale = await this.stale();
    if (stale !== undefined) throw new PositionsStaleError(stale);
    const rows = reached.map(({ at, next, saved = null }) => ({ ...at, next, saved }));
    const results = await this.deps.database.query((sql) =>
      sql.unsafe<{ topic: string; partition: number; stored: string | null; went_back: boolean }[]>(savePositions, [
        JSON.stringify(rows),
        lagMs,
        this.incarnation,
      ]),
    );
    if (results.some(({ went_back }) => went_back))
      throw new DatabaseWentBackError(
        "the replica's database lacks changes that it had: it was restored, or a server that lagged took over; the process restarts and reads them again",
      );
    for (const { topic, partition, stored } of results) {
      const position = this.owned.get(partitionKey({ topic, partition }));
      if (position && stored !== null) position.saved = Number(stored);
    }
  }
}
