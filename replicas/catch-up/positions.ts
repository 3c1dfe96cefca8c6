/**
 * Tracks how far the replica's own database has applied each partition. The positions are in that database
 * (`lockstep.positions`), because the consumer group's offsets do not change when the database is emptied or restored
 * from a backup.
 *
 * - A position below the group's offset: the database lacks the records between, and they are read again
 *   ({@link Positions.missing}).
 * - A position older than the log keeps tombstones, outside the log's offsets, or of a topic that was created again:
 *   the log may have deleted changes that the database lacks. Only a rebuild finds those ({@link Positions.stale}, P4).
 * - A rebuild for which the log cannot account: the database is marked (`lockstep.log_incomplete`). None of the above
 *   counts until the mark is gone ({@link Positions.incomplete}).
 * - A position below the one that this process saved, or another incarnation of the database: the database went back in
 *   time, by a restore or a failover to a server that lagged ({@link DatabaseWentBackError}).
 */
import { LockstepError } from "../../contracts/errors.ts";
import { type Batch, type Log, type OffsetRange, partitionKey, type TopicPartition } from "../../kafka/log.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Database } from "../../platform/postgres/database.ts";
import { maxAbsenceMs } from "./retention.ts";
import savePositions from "./save-positions.sql" with { type: "text" };

/** Time between two saves, in milliseconds. */
export const SAVE_INTERVAL_MS = 5_000;
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
  /**
   * True when the log has deleted some of the missing records, or never had the position, because it was recreated. The
   * range then has all records that the log has below the group's offset.
   */
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

/** Collaborators of {@link Positions}. */
export interface PositionsDeps {
  readonly database: Database;
  readonly log: Pick<Log, "offsets" | "topicConfig" | "committedOffsets" | "topicIds">;
  /** Consumer group of the replica. */
  readonly group: string;
  /** All topics of the replica. */
  readonly topics: readonly string[];
  /** Topics of entities that users do not see. What is lost of them does not matter. */
  readonly internalTopics?: readonly string[];
}

/** Positions of this process' partitions, saved every {@link SAVE_INTERVAL_MS}. */
export class Positions {
  private readonly owned = new Map<string, Position>();
  /** Null: the database role may not read it. */
  private incarnation: string | null = null;
  /** Identities of the topics whose positions are read from here on. */
  private topicIds: ReadonlyMap<string, string> = new Map();
  private reason: string | undefined;
  private absentTopics: readonly string[] = [];

  constructor(private readonly deps: PositionsDeps) {}

  /**
   * Reads the incarnation of the database and the identities of the topics. Both must stay the same from here on.
   *
   * @throws the database's or the log's error.
   */
  async begin(): Promise<void> {
    const { database, log, topics } = this.deps;
    this.topicIds = await log.topicIds(topics);
    const [row] = await database.query(
      (sql) => sql<{ incarnation: string | null }[]>`select lockstep.incarnation() as incarnation`,
    );
    this.incarnation = row!.incarnation;
  }

  /** Why the log cannot account for this database, as {@link stale} last read it; undefined while it can. */
  get incomplete(): string | undefined {
    const [absent] = this.absentTopics;
    return this.reason ?? (absent && `topic ${absent} does not exist`);
  }

  /** True while the database is marked: what the log has lost is then known. */
  get isMarked(): boolean {
    return this.reason !== undefined;
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
    const { database, log, group, internalTopics = [] } = this.deps;
    const [row] = await database.query(
      (sql) => sql<{ next: string; topicId: string | null }[]>`
        select next_offset as next, topic_id as "topicId" from lockstep.positions
        where topic = ${at.topic} and "partition" = ${at.partition}`,
    );
    const position = this.owned.get(partitionKey(at));
    if (position) position.saved = row && Number(row.next);
    const saved = Number(row?.next ?? 0);
    const isOtherTopic = Boolean(row?.topicId) && row!.topicId !== this.topicIds.get(at.topic);
    const isLost = row !== undefined && (isOtherTopic || (await this.isOutside(at, saved)));
    const { first, next: end } = await this.offsetsOf(at);
    const committed = (await log.committedOffsets(group, at.topic)).get(at.partition) ?? 0;
    // The group's offset may be one of a log that ended later.
    const to = Math.min(committed, end);
    if (isLost) return { from: first, to, next: Math.max(first, to), lost: !internalTopics.includes(at.topic) };
    return { from: Math.min(saved, to), to, next: Math.max(row ? saved : first, to), lost: false };
  }

  private readonly topicIdOf = ({ topic }: TopicPartition): string | null => this.topicIds.get(topic) ?? null;

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

  /**
   * Everything below `next` is applied. The first position of a partition is stored at once: rows without a position
   * would not show that the topic was created again.
   *
   * @throws the database's error.
   */
  async reached(at: TopicPartition, next: number): Promise<void> {
    const position = this.owned.get(partitionKey(at));
    if (position && position.saved === undefined) {
      const { length } = await this.deps.database.query(
        (sql) => sql`
          insert into lockstep.positions (topic, "partition", next_offset, at, topic_id)
          values (${at.topic}, ${at.partition}, ${next}, clock_timestamp(), ${this.topicIdOf(at)})
          on conflict do nothing returning topic`,
      );
      if (length > 0) position.saved = next;
    }
    if (position) position.next = next;
  }

  /**
   * Records that the log has deleted what this database lacks of a topic. The database is {@link stale} from now on,
   * for every process of the replica and across restarts, until it is rebuilt or marked as {@link incomplete}.
   *
   * @throws the database's error.
   */
  async markLost(topic: string): Promise<void> {
    await this.deps.database.query(
      (sql) => sql`
        with known as (update lockstep.positions set at = 'epoch' where topic = ${topic} returning topic)
        insert into lockstep.positions (topic, "partition", next_offset, at)
        select ${topic}, 0, 0, 'epoch' where not exists (select from known)
        on conflict (topic, "partition") do update set at = excluded.at`,
    );
  }

  /**
   * Marks the database: the log cannot account for its rows. Rebuilds no longer start by themselves.
   *
   * @param reason for people, with figures.
   * @throws the database's error.
   */
  async markIncomplete(reason: string): Promise<void> {
    await this.deps.database.query(
      (sql) => sql`
        with mark as (
          insert into lockstep.log_incomplete (reason) values (${reason})
          on conflict (only_row) do update set reason = excluded.reason
        )
        update lockstep.positions set at = clock_timestamp()`,
    );
    this.reason = reason;
  }

  /**
   * Why the log cannot bring this database up to date, for people; undefined while it can, and while the database is
   * marked as {@link incomplete}.
   *
   * @throws the database's or the log's error.
   */
  async stale(): Promise<string | undefined> {
    const [row] = await this.deps.database.query(
      (sql) => sql<{ age: number | null; lost: boolean | null; incomplete: string | null }[]>`
        select extract(epoch from clock_timestamp() - min(at))::float8 * 1000 as age, bool_or(at = 'epoch') as lost,
          (select reason from lockstep.log_incomplete) as incomplete
        from lockstep.positions
        where topic in (select jsonb_array_elements_text(${JSON.stringify(this.deps.topics)}::text::jsonb))`,
    );
    this.reason = row?.incomplete ?? undefined;
    if (this.isMarked || row?.age == null) return undefined;
    if (row.lost) return "the log has deleted changes that this database lacks";
    const maxMs = await maxAbsenceMs(this.deps.log, this.deps.topics);
    return row.age > maxMs
      ? `the database is ${Math.round(row.age / 1_000)} s behind, and only ${Math.round(maxMs / 1_000)} s are safe before the log deletes tombstones`
      : undefined;
  }

  /**
   * Checks that the log and this process' topics are still those of its start. To be called regularly.
   *
   * @throws {PositionsStaleError} when the log cannot bring the database up to date, or a topic was created again. This
   * process then reads the topic from an offset of the earlier one, and must end.
   * @throws the database's or the log's error.
   */
  async check(): Promise<void> {
    const { log, topics, internalTopics = [] } = this.deps;
    const known = topics.filter((topic) => !internalTopics.includes(topic));
    const ids = await log.topicIds(known);
    this.absentTopics = known.filter((topic) => !ids.has(topic));
    for (const [topic, id] of ids) {
      if (id === (this.topicIds.get(topic) ?? id)) continue;
      if (!this.isMarked) await this.markLost(topic);
      throw new PositionsStaleError(`topic ${topic} was created again`);
    }
    // The brokers do not report the retention of a topic that does not exist.
    const stale = this.absentTopics.length === 0 ? await this.stale() : undefined;
    if (stale !== undefined) throw new PositionsStaleError(stale);
  }

  /**
   * Saves how far this process has come. To be called after {@link check}, because it hides what that finds.
   *
   * @param lagMs age of the oldest unapplied change. Undefined: unknown, and nothing is saved.
   * @throws {DatabaseWentBackError} when the database has less than it had: saving would hide that too.
   */
  async save(lagMs: number | undefined): Promise<void> {
    const reached = [...this.owned.values()].filter(({ next }) => next !== undefined);
    if (lagMs === undefined || reached.length === 0) return;
    const rows = reached.map(({ at, next, saved = null }) => ({ ...at, next, saved, topic_id: this.topicIdOf(at) }));
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
