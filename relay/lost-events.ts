/**
 * Events that the log had acknowledged and no longer has. The outbox does not have them any more, so the relay cannot
 * send them again: it records them in the source until `lockstep resync` has sent every row.
 */
import type { Sql } from "postgres";
import type { TopicPartition } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";

/** Offsets that a partition has lost: from `from` (inclusive) to `to` (exclusive). */
export interface LostRange extends TopicPartition {
  readonly from: number;
  readonly to: number;
}

interface LostEventsDeps {
  readonly sql: Sql;
  readonly logger: Logger;
}

/** The table `lockstep.lost_events` of the source. The methods throw what the database reports. */
export class LostEvents {
  private recorded: string | undefined;

  constructor(private readonly deps: LostEventsDeps) {}

  /** What was lost, for people, as {@link refresh} read it last; undefined when nothing was. */
  get problem(): string | undefined {
    return this.recorded;
  }

  /** Records ranges, and their beginnings as the relay's positions. */
  async record(ranges: readonly LostRange[]): Promise<void> {
    const { sql, logger } = this.deps;
    for (const lost of ranges)
      logger.error(lost, "the log has lost events that it had acknowledged; run lockstep resync");
    await sql`select lockstep.record_lost_events(${JSON.stringify(ranges)}::text::jsonb)`;
    await this.refresh();
  }

  /** Reads what is recorded. */
  async refresh(): Promise<void> {
    const rows = await this.deps.sql<{ topic: string; lost: string; partitions: string; since: string }[]>`
      select topic, sum(to_offset - from_offset) as lost, count(distinct "partition") as partitions,
        to_char(min(at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
      from lockstep.lost_events group by topic order by topic`;
    const texts = rows.map(
      ({ topic, lost, partitions, since }) =>
        `${topic} lost ${lost} acknowledged records in ${partitions} partitions, first seen at ${since}`,
    );
    this.recorded = texts.length > 0 ? texts.join("; ") : undefined;
  }
}
