/**
 * Fills a new version of a replica's tables from the log beside the live ones, and puts it in their place (P10). No question to the
 * source; the live tables are read and written all the while; whatever dies on the way, the next run goes on from there.
 */
import type { TransactionSql } from "postgres";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { replicaTopic } from "../../../contracts/topics.ts";
import type { Log } from "../../../kafka/log.ts";
import { connectDedicated, connectPool, type Sql } from "../../../platform/postgres/connect.ts";
import type { ReplicatedEntity } from "../../replica.ts";
import { maxAbsenceMs } from "../positions.ts";
import { type FillParts, fill, filledTo, type Source } from "./fill.ts";
import { switchTables } from "./switch.ts";
import { dropNext, dropStaleNext, finishNext, lockRebuild, NEXT, type NextTable, prepareNext } from "./tables.ts";

/** Partitions that are filled at a time. */
const SIDE_BY_SIDE = 2;
const STATEMENT_MS = 600_000;
/** What is left for the switch, while applies stand still. */
const FEW_RECORDS = 500;
const ROUNDS = 50;

export interface RebuildProgress {
  /** Records of the log that are in the new tables, and how many there are now. */
  readonly done: number;
  readonly total: number;
}

export interface Rebuilt {
  readonly records: number;
  readonly rows: number;
  /** That filling and switching took. */
  readonly seconds: number;
  /** Records that an earlier, interrupted run had done already. */
  readonly resumedAt: number;
  /** Entities that the table does not take; a comparison with the source names them. */
  readonly refused: number;
  /** False: the new tables were not approved. They stay beside the live ones, and the next run reads on from where they are. */
  readonly switched: boolean;
}

/** The new tables before they take the live ones' place. */
export interface Filled {
  /** Name of their schema. It has each entity's table, and `versions`. */
  readonly schema: string;
  /** Reads on: what the log has when this is called is in the new tables when it resolves. */
  readonly readOn: () => Promise<void>;
}

/**
 * @param kept the entities of the replica: all of them are rebuilt.
 * @returns once the new tables are in place, or when they were not approved.
 * @throws {RebuildRejectedError} what stands in the way.
 * @throws what the database or the log says; nothing is switched then, and the next run goes on.
 */
export async function rebuild(
  deps: {
    readonly databaseUrl: string;
    readonly log: Log;
    readonly signal: AbortSignal;
    readonly onProgress: (progress: RebuildProgress) => void;
    /** Decides whether the new tables take the live ones' place. Undefined: they do, once they pass the rebuild's own checks. */
    readonly approve?: (filled: Filled) => Promise<boolean>;
    /** Begins anew instead of going on with what an interrupted run has filled. */
    readonly anew?: boolean;
  },
  kept: readonly ReplicatedEntity[],
): Promise<Rebuilt> {
  const start = performance.now();
  const session = connectDedicated(deps.databaseUrl, "lockstep-rebuild");
  const pool = connectPool(deps.databaseUrl, {
    max: SIDE_BY_SIDE,
    name: "lockstep-rebuild",
    statementTimeoutMs: STATEMENT_MS,
  });
  try {
    await lockRebuild(session);
    const topics = kept.map(({ entity, replica }) => replicaTopic(entity, replica.name).name);
    if (deps.anew) await dropNext(session);
    else await dropStaleNext(session, await maxAbsenceMs(deps.log, topics));
    const tables = await prepareNext(
      session,
      kept.map(({ entity }) => entity.plural),
    );
    const sources = await sourcesOf(deps.log, kept, tables);
    const filling = new Filling(deps, sources, await filledTo(session));
    const resumedAt = filling.done;
    await filling.rounds(pool);
    await finishNext(session, tables);
    // What came while the indexes were made is not left to the switch: applies stand still meanwhile.
    await filling.rounds(pool);
    const filledSeconds = secondsSince(start);
    const switched = (await deps.approve?.({ schema: NEXT, readOn: () => filling.readOn(pool) })) ?? true;
    const approved = performance.now();
    if (switched) await switchTables(session, tables, (within) => filling.last(within));
    const visible = kept.filter(({ entity }) => !entity.internal).map(({ entity }) => entity.name);
    const [counted] = await session<
      { rows: string }[]
    >`select count(*) as rows from ${session(switched ? "lockstep.versions" : `${NEXT}.versions`)} where not deleted and entity in ${session(visible)}`;
    return {
      records: filling.done,
      rows: Number(counted!.rows),
      seconds: filledSeconds + secondsSince(approved),
      resumedAt,
      refused: filling.refused.size,
      switched,
    };
  } finally {
    await Promise.all([pool.end({ timeout: 1 }), session.end({ timeout: 1 })]);
  }
}

const secondsSince = (start: number): number => (performance.now() - start) / 1_000;

async function sourcesOf(log: Log, kept: readonly ReplicatedEntity[], tables: readonly NextTable[]): Promise<Source[]> {
  const sources: Source[] = [];
  for (const [i, { entity, replica }] of kept.entries()) {
    const count = await log.partitionCount(replicaTopic(entity, replica.name).name);
    for (let partition = 0; partition < count; partition++)
      sources.push({ entity, replica, table: tables[i]!, partition });
  }
  return sources;
}

const keyOf = ({ entity, replica, partition }: Source): string =>
  `${replicaTopic(entity, replica.name).name}/${partition}`;

/** How far each partition is. */
class Filling {
  done = 0;
  readonly refused = new Set<EntityId>();
  private total = 0;
  private readonly ends = new Map<string, number>();

  constructor(
    private readonly deps: Parameters<typeof rebuild>[0],
    private readonly sources: readonly Source[],
    private readonly positions: Map<string, number>,
  ) {
    for (const next of positions.values()) this.done += next;
  }

  /** Records that the log has now and the new tables do not. */
  async left(): Promise<number> {
    let left = 0;
    for (const { entity, replica } of this.sources.filter(({ partition }) => partition === 0)) {
      const topic = replicaTopic(entity, replica.name).name;
      for (const [partition, { next }] of await this.deps.log.offsets(topic)) {
        this.ends.set(`${topic}/${partition}`, next);
        left += Math.max(0, next - (this.positions.get(`${topic}/${partition}`) ?? 0));
      }
    }
    this.total = this.done + left;
    return left;
  }

  /** Fills until few records are left: each round reads what came during the one before. */
  async rounds(pool: Sql): Promise<void> {
    for (let round = 0; round < ROUNDS && (await this.left()) > FEW_RECORDS; round++) await this.round(pool);
  }

  /** Fills up to what the log has now. */
  async readOn(pool: Sql): Promise<void> {
    if ((await this.left()) > 0) await this.round(pool);
  }

  /** Fills every partition up to the ends that {@link left} found, some of them side by side. */
  private async round(pool: Sql): Promise<void> {
    const waiting = [...this.sources];
    const worker = async () => {
      for (let source = waiting.shift(); source; source = waiting.shift())
        await this.fillOne((work) => work(pool), source);
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
  }

  /** What came since, one partition after the other, within the switch's transaction. */
  async last(within: TransactionSql): Promise<void> {
    await this.left();
    const run: FillParts["run"] = (work) => within.savepoint((sql) => work(sql as unknown as Sql));
    for (const source of this.sources) await this.fillOne(run, source, false);
  }

  private async fillOne(run: FillParts["run"], source: Source, remember = true): Promise<void> {
    const key = keyOf(source);
    const from = this.positions.get(key) ?? 0;
    const to = this.ends.get(key) ?? 0;
    if (from >= to) return;
    const { log, signal, onProgress } = this.deps;
    const onRefused = (id: EntityId) => void this.refused.add(id);
    await fill({ run, log, signal, onRefused }, source, from, to, (records, next) => {
      // Within the switch nothing is sure before its commit: a second attempt fills it again.
      if (!remember) return;
      this.positions.set(key, next);
      this.done += records;
      onProgress({ done: this.done, total: Math.max(this.total, this.done) });
    });
  }
}
