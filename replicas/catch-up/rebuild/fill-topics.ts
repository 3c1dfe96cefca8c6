/** Fills the new tables from all topics of a replica, in rounds, and tracks how far each partition is. */
import type { TransactionSql } from "postgres";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { partitionKey } from "../../../kafka/log.ts";
import type { RebuildOptions } from "../../../pipeline/rebuild.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { type FillDeps, type FillSource, fillPartition } from "./fill.ts";

/** Partitions that are filled at the same time. */
export const PARALLEL_PARTITIONS = 2;
/** Records that are left to the switch, while applies wait. */
const FEW_RECORDS = 500;
const MAX_ROUNDS = 50;

/** Fills all partitions of a replica's topics. */
export class TopicFiller {
  /** Records in the new tables. */
  records = 0;
  /** Entities whose row the table rejected. */
  readonly rejected = new Set<EntityId>();
  private total = 0;
  private readonly ends = new Map<string, number>();

  /** @param positions by partition: everything below this offset is in the new tables. */
  constructor(
    private readonly deps: Pick<RebuildOptions, "log" | "signal" | "onProgress">,
    private readonly sources: readonly FillSource[],
    private readonly positions: Map<string, number>,
  ) {
    for (const next of positions.values()) this.records += next;
  }

  /** Fills until at most {@link FEW_RECORDS} records are left. Each round reads what arrived during the one before. */
  async fillMost(pool: Sql): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS && (await this.readEnds()) > FEW_RECORDS; round++)
      await this.fillRound(pool);
  }

  /** Fills up to what the log has now. */
  async fillAll(pool: Sql): Promise<void> {
    if ((await this.readEnds()) > 0) await this.fillRound(pool);
  }

  /** Fills up to what the log has now, one partition after the other, within the transaction of the switch. */
  async fillWithin(transaction: TransactionSql): Promise<void> {
    await this.readEnds();
    const run: FillDeps["run"] = (work) => transaction.savepoint((sql) => work(sql as unknown as Sql));
    // The commit saves the positions, so they do not advance here: a second attempt fills these records again.
    for (const source of this.sources) await this.fillSource(run, source, () => {});
    await this.savePositions(transaction);
  }

  /**
   * Saves the end of each partition. A partition without records also needs a position: the one of the live tables may
   * belong to a topic that no longer exists, and would cause a rebuild at each start.
   */
  private async savePositions(transaction: TransactionSql): Promise<void> {
    const rows = this.sources.map(({ topic, partition, topicId }) => ({
      topic,
      partition,
      next: this.ends.get(partitionKey({ topic, partition })) ?? 0,
      topic_id: topicId,
    }));
    await transaction`
      insert into lockstep_next.positions (topic, "partition", next_offset, at, topic_id)
      select topic, "partition", next, now(), topic_id
      from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
        as r (topic text, "partition" int, next bigint, topic_id text)
      on conflict (topic, "partition") do update set next_offset = excluded.next_offset`;
  }

  /** Reads the end of each partition. @returns the number of records that the new tables lack. */
  private async readEnds(): Promise<number> {
    let missing = 0;
    for (const topic of new Set(this.sources.map((source) => source.topic)))
      for (const [partition, { next }] of await this.deps.log.offsets(topic)) {
        const key = partitionKey({ topic, partition });
        this.ends.set(key, next);
        missing += Math.max(0, next - (this.positions.get(key) ?? 0));
      }
    this.total = this.records + missing;
    return missing;
  }

  /** Fills every partition up to the end that {@link readEnds} found. */
  private async fillRound(pool: Sql): Promise<void> {
    const onFilled = (key: string, records: number, next: number) => {
      this.positions.set(key, next);
      this.records += records;
      this.deps.onProgress({ done: this.records, total: Math.max(this.total, this.records) });
    };
    const queue = [...this.sources];
    // Not ConcurrencyLimit: after an error the worker must not start another partition, because the pool is closed.
    const work = async () => {
      for (let source = queue.shift(); source; source = queue.shift())
        await this.fillSource((run) => run(pool), source, onFilled);
    };
    await Promise.all(Array.from({ length: PARALLEL_PARTITIONS }, work));
  }

  private async fillSource(
    run: FillDeps["run"],
    source: FillSource,
    onFilled: (key: string, records: number, next: number) => void,
  ): Promise<void> {
    const key = partitionKey(source);
    const from = this.positions.get(key) ?? 0;
    const to = this.ends.get(key) ?? 0;
    if (from >= to) return;
    const { log, signal } = this.deps;
    const onRejected = (id: EntityId) => void this.rejected.add(id);
    await fillPartition({ run, log, signal, onRejected }, source, from, to, (records, next) =>
      onFilled(key, records, next),
    );
  }
}
