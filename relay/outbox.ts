/** The relay's statements on the outbox. Each is one round trip. */
import type { Sql } from "postgres";
import type { ReasonOf } from "../contracts/dead-letter-reasons.ts";
import type { Operation } from "../contracts/event.ts";
import { partitionKey, type TopicPartition } from "../kafka/log.ts";
import { listText } from "../platform/postgres/connect.ts";
import acknowledgeText from "./acknowledge.sql" with { type: "text" };
import readLargeRowsText from "./read-large-rows.sql" with { type: "text" };
import readText from "./read-outbox.sql" with { type: "text" };
import removeSupersededText from "./remove-superseded.sql" with { type: "text" };
import setAsideText from "./set-aside.sql" with { type: "text" };

/** A captured change that the log may not have yet. */
export interface OutboxRow {
  /**
   * Identity of the row, a bigint as text. Rows of one entity are in the order of its versions; rows of different
   * entities are not in the order of their commits.
   */
  readonly seq: string;
  readonly entity: string;
  readonly id: string;
  /** Above `Number.MAX_SAFE_INTEGER` it is not exact, and the row cannot be sent. */
  readonly version: number;
  readonly operation: Operation;
  /**
   * The row after the change as JSON, as `to_jsonb` gives it; null for a delete, and for a row of more than
   * {@link MAX_READ_BYTES}.
   */
  readonly data: string | null;
  /** Size of data, actor and traceparent. */
  readonly bytes: number;
  readonly traceparent: string | null;
  /** Id of the transaction that wrote the row. PostgreSQL reuses ids after about four billion transactions. */
  readonly transaction: string;
  readonly actor: string | null;
  /** Digest of the whole row, a bigint as text; null for a delete. */
  readonly digest: string | null;
  /** Not null when an operator requested that the state is sent again. */
  readonly resend: string | null;
  /** When the change was committed, ISO 8601 with microseconds. */
  readonly time: string;
}

/** A row that cannot be sent, and why. */
export interface RejectedRow {
  readonly row: OutboxRow;
  readonly reason: ReasonOf<"relay">;
  /** Says what is wrong, without values of the row (P13). */
  readonly detail: string;
}

/** Offset of the next record that the relay writes to a partition. */
interface Position extends TopicPartition {
  readonly next: number;
}

/** Positions by {@link partitionKey} of their partition. */
export type Positions = Map<string, Position>;

/** Size of the outbox, and what is set aside. */
export interface OutboxDepth {
  /** Number of rows; at most {@link MAX_DEPTH}. */
  readonly depth: number;
  /** Time since the oldest row was committed; 0 when the outbox is empty. */
  readonly oldestAgeSeconds: number;
  /** Number of rows that are set aside, by reason. */
  readonly setAside: Readonly<Record<string, number>>;
}

/** A larger depth is reported as this one, because counting a long queue would slow it down further. */
const MAX_DEPTH = 100_000;
/** Limit of one read, in bytes. It also limits a single row: brokers accept about 1 MB unless configured otherwise. */
export const MAX_READ_BYTES = 8_000_000;

/** Rows that the log has stored, and where the log's partitions end after them. */
export interface Acknowledgement {
  /** Seqs of the rows. */
  readonly seqs: readonly string[];
  /** The positions that have changed. */
  readonly positions: Positions;
}

const fillIn = (acknowledge: string, unacknowledged: string): string =>
  readText.replace("{acknowledge}", () => acknowledge).replace("{unacknowledged}", unacknowledged);
// A list of numbers in `<> all` would be searched from its start for each row: 120 µs per row instead of 6.
const acknowledging = (heal: string): string =>
  fillIn(
    acknowledgeText.replace("{heal}", () => heal),
    "where outbox.seq not in (select unnest($4::text::bigint[]))",
  );

/** The texts of {@link Outbox.read}. */
export const readTexts = {
  read: fillIn("", ""),
  acknowledgeAndRead: acknowledging(""),
  /** The same, while rows may be set aside. */
  acknowledgeHealAndRead: acknowledging(removeSupersededText),
};

/** The outbox of the source, through the leading relay's session. All methods throw what the database reports. */
export class Outbox {
  /**
   * Whether rows may be set aside. All statements run in one session and in order, so the last answer is the newest.
   * Others only remove rows.
   */
  private mayHaveSetAside = true;
  private moreRows = false;

  /** @param commitTimestamps whether the server has `track_commit_timestamp = on`. */
  constructor(
    private readonly sql: Sql,
    private readonly commitTimestamps: boolean,
  ) {}

  /** Whether the last read ended at one of its limits. If not, it returned every committed row. */
  get hasMore(): boolean {
    return this.moreRows;
  }

  /**
   * Reads the oldest committed rows: at most `limit`, and at most {@link MAX_READ_BYTES} of them. Small rows take one
   * round trip; a read that finds large ones takes a second one.
   *
   * @param done rows that the log has stored. The same statement deletes them, removes older states of their entities
   * that are set aside, and saves the positions.
   */
  async read(limit: number, done?: Acknowledgement): Promise<OutboxRow[]> {
    const maxRowBytes = Math.floor(MAX_READ_BYTES / Math.max(1, limit));
    const parameters = [limit, this.commitTimestamps, maxRowBytes];
    const rows = await (done ? this.acknowledgeAndRead(parameters, done) : this.query(readTexts.read, parameters));
    const taken = rows.some(({ bytes }) => bytes > maxRowBytes) ? await this.withLargeRows(rows, maxRowBytes) : rows;
    this.moreRows = rows.length >= limit || taken.length < rows.length;
    return taken;
  }

  /** Ends the list where its bytes exceed the limit, and reads the content of its large rows. */
  private async withLargeRows(rows: readonly OutboxRow[], maxRowBytes: number): Promise<OutboxRow[]> {
    let total = 0;
    const fits = ({ bytes }: OutboxRow) => {
      if (bytes <= MAX_READ_BYTES) total += bytes; // The content of a larger row is never read.
      return total <= MAX_READ_BYTES;
    };
    const end = rows.findIndex((row) => !fits(row));
    const taken = end < 0 ? rows : rows.slice(0, end);
    const seqs = taken.flatMap(({ seq, bytes }) => (bytes > maxRowBytes && bytes <= MAX_READ_BYTES ? [seq] : []));
    const contents = await this.sql.unsafe<Pick<OutboxRow, "seq" | "data" | "traceparent" | "actor">[]>(
      readLargeRowsText,
      [listText(seqs)],
      { prepare: true },
    );
    const bySeq = new Map(contents.map((content) => [content.seq, content]));
    return taken.map((row) => ({ ...row, ...bySeq.get(row.seq) }));
  }

  private acknowledgeAndRead(
    parameters: readonly (number | boolean)[],
    { seqs, positions }: Acknowledgement,
  ): Promise<OutboxRow[]> {
    const text = this.mayHaveSetAside ? readTexts.acknowledgeHealAndRead : readTexts.acknowledgeAndRead;
    return this.query(text, [...parameters, listText(seqs), JSON.stringify([...positions.values()])]);
  }

  private async query(text: string, parameters: (number | boolean | string)[]): Promise<OutboxRow[]> {
    return (await this.sql.unsafe(text, parameters, { prepare: true })) as unknown as OutboxRow[];
  }

  /** Moves rows that cannot be sent out of the outbox, in one transaction. The newest state of each entity is kept. */
  async setAside(rejected: readonly RejectedRow[]): Promise<void> {
    const list = rejected.map(({ row: { seq }, reason, detail }) => ({ seq, reason, detail }));
    await this.sql.unsafe(setAsideText, [JSON.stringify(list)], { prepare: true });
    this.mayHaveSetAside = true;
  }

  /** Returns the saved positions. */
  async positions(): Promise<Positions> {
    const rows = await this.sql<{ topic: string; partition: number; next: string }[]>`
      select topic, "partition", next_offset as next from lockstep.relay_positions`;
    return new Map(rows.map((row) => [partitionKey(row), { ...row, next: Number(row.next) }]));
  }

  async depth(): Promise<OutboxDepth> {
    const [row] = await this.sql<{ depth: string; age: string | null; set_aside: Record<string, number> | null }[]>`
      select (select count(*) from (select from lockstep.outbox limit ${MAX_DEPTH}) bounded) as depth,
        (select extract(epoch from clock_timestamp() -
            case when ${this.commitTimestamps} then coalesce(pg_xact_commit_timestamp(xmin), at) else at end)
          from lockstep.outbox order by seq limit 1) as age,
        (select jsonb_object_agg(reason, count)
          from (select reason, count(*) from lockstep.set_aside group by reason) counts) as set_aside`;
    const { depth, age, set_aside: setAside } = row!;
    this.mayHaveSetAside = setAside !== null;
    return { depth: Number(depth), oldestAgeSeconds: Math.max(0, Number(age ?? 0)), setAside: setAside ?? {} };
  }

  /**
   * Removes deleted rows from the outbox's index. Each read scans the index from its start. PostgreSQL's own vacuum
   * runs once a minute at most, and until then each read would step over all deleted rows.
   *
   * @param sql another connection than the relay's session, which must not wait for the vacuum.
   */
  static async vacuum(sql: Sql): Promise<void> {
    await sql`vacuum (index_cleanup on, truncate off) lockstep.outbox`;
  }
}
