/** The relay's statements on the outbox. Each is one round trip; those sent together run in the order of the calls. */
import type { Sql } from "postgres";
import type { Operation } from "../contracts/event.ts";
import { partitionKey, type TopicPartition } from "../kafka/log.ts";
import { listText } from "../platform/postgres/connect.ts";
import acknowledgeText from "./acknowledge.sql" with { type: "text" };
import readText from "./read-outbox.sql" with { type: "text" };

/** A captured change that the log may not have yet. */
export interface OutboxRow {
  /**
   * Identity of the row, a bigint as text. Rows of one entity are in the order of its versions; rows of different
   * entities are not in the order of their commits.
   */
  readonly seq: string;
  readonly entity: string;
  readonly id: string;
  readonly version: number;
  readonly operation: Operation;
  /** The row after the change, as `to_jsonb` gives it; null for a delete. */
  readonly data: Record<string, unknown> | null;
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

/** Offset of the next record that the relay writes to a partition. */
interface Position extends TopicPartition {
  readonly next: number;
}

/** Positions by {@link partitionKey} of their partition. */
export type Positions = Map<string, Position>;

/** Size of the outbox. */
interface OutboxDepth {
  /** Number of rows; at most {@link MAX_DEPTH}. */
  readonly depth: number;
  /** Age of the oldest row; 0 when the outbox is empty. */
  readonly oldestAgeSeconds: number;
}

/** A larger depth is reported as this one, because counting a long queue would slow it down further. */
const MAX_DEPTH = 100_000;

/** The outbox of the source, through the leading relay's session. All methods throw what the database reports. */
export class Outbox {
  /** @param commitTimestamps whether the server has `track_commit_timestamp = on`. */
  constructor(
    private readonly sql: Sql,
    private readonly commitTimestamps: boolean,
  ) {}

  /** Reads the oldest committed rows, at most `limit`. */
  async read(limit: number): Promise<OutboxRow[]> {
    return (await this.sql.unsafe(readText, [limit, this.commitTimestamps], {
      prepare: true,
    })) as unknown as OutboxRow[];
  }

  /** Deletes rows that the log has stored and saves positions, in one transaction. */
  async acknowledge(seqs: readonly string[], positions: Positions): Promise<void> {
    await this.sql.unsafe(acknowledgeText, [listText(seqs), JSON.stringify([...positions.values()])], {
      prepare: true,
    });
  }

  /** Returns the saved positions. */
  async positions(): Promise<Positions> {
    const rows = await this.sql<{ topic: string; partition: number; next: string }[]>`
      select topic, "partition", next_offset as next from lockstep.relay_positions`;
    return new Map(rows.map((row) => [partitionKey(row), { ...row, next: Number(row.next) }]));
  }

  async depth(): Promise<OutboxDepth> {
    const [row] = await this.sql<{ depth: string; age: string | null }[]>`
      select (select count(*) from (select from lockstep.outbox limit ${MAX_DEPTH}) bounded) as depth,
             (select extract(epoch from clock_timestamp() - at) from lockstep.outbox order by seq limit 1) as age`;
    return { depth: Number(row!.depth), oldestAgeSeconds: Math.max(0, Number(row!.age ?? 0)) };
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
