/** The relay's statements. Each is one round trip; several are sent at once and run in the order they were sent. */
import type { Sql } from "postgres";
import type { Operation } from "../contracts/event.ts";
import { listText } from "../platform/postgres/connect.ts";
import ackText from "./ack.sql" with { type: "text" };
import takeText from "./take.sql" with { type: "text" };

/** One captured change that the log may not have yet. */
export interface OutboxRow {
  /** Identity of the row, a bigint as text. Its order is not the order of commits; only rows of one entity are in order. */
  readonly seq: string;
  readonly entity: string;
  readonly id: string;
  readonly version: number;
  readonly operation: Operation;
  /** The row after the change as `to_jsonb` gave it; null for a delete. */
  readonly data: Record<string, unknown> | null;
  readonly traceparent: string | null;
  /** Which transaction committed it; the same number may come again after billions of others. */
  readonly transaction: string;
  readonly actor: string | null;
  /** Digest of the whole row, a bigint as text; null for a delete. */
  readonly digest: string | null;
  /** Not null when the state is sent once more on request. */
  readonly resend: string | null;
  /** When the change was committed, ISO 8601 with microseconds. */
  readonly time: string;
}

/** Where the relay will write next in each partition of each topic. */
export type Positions = Map<string, { topic: string; partition: number; next: number }>;

export const positionKey = (topic: string, partition: number): string => `${topic}/${partition}`;

export interface OutboxDepth {
  readonly depth: number;
  readonly oldestAgeSeconds: number;
}

/** More than this is reported as this: counting a long queue must not slow it further. */
const DEPTH_LIMIT = 100_000;

export class Outbox {
  constructor(
    private readonly sql: Sql,
    private readonly commitTimestamps: boolean,
  ) {}

  /** The next rows that are committed now, oldest first. */
  async take(limit: number): Promise<OutboxRow[]> {
    return (await this.sql.unsafe(takeText, [limit, this.commitTimestamps], {
      prepare: true,
    })) as unknown as OutboxRow[];
  }

  /** Forgets rows that the log has acknowledged, and remembers where their partitions end, in one transaction. */
  async acknowledge(seqs: readonly string[], positions: Positions): Promise<void> {
    const moved = [...positions.values()];
    await this.sql.unsafe(ackText, [listText(seqs), JSON.stringify(moved)], { prepare: true });
  }

  /**
   * Removes what is left of deleted rows, on a connection of its own. Each take reads the index from its start, so without
   * this it would step over every row deleted since PostgreSQL's own vacuum came by, a minute ago or more.
   */
  static async clean(sql: Sql): Promise<void> {
    await sql`vacuum (index_cleanup on, truncate off) lockstep.outbox`;
  }

  async positions(): Promise<Positions> {
    const rows = await this.sql<{ topic: string; partition: number; next: string }[]>`
      select topic, "partition", next_offset as next from lockstep.relay_positions`;
    return new Map(rows.map((r) => [positionKey(r.topic, r.partition), { ...r, next: Number(r.next) }]));
  }

  async depth(): Promise<OutboxDepth> {
    const [row] = await this.sql<{ depth: string; age: string | null }[]>`
      select (select count(*) from (select from lockstep.outbox limit ${DEPTH_LIMIT}) bounded) as depth,
             (select extract(epoch from clock_timestamp() - at) from lockstep.outbox order by seq limit 1) as age`;
    return { depth: Number(row!.depth), oldestAgeSeconds: Math.max(0, Number(row!.age ?? 0)) };
  }
}
