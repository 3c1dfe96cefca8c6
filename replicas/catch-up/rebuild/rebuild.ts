/**
 * Fills new tables of a replica from the log, beside the live ones, and switches to them (P10). The source is not
 * queried; the live tables are read and written meanwhile. A run that is killed at any point is resumed by the next
 * one.
 */
import { replicaTopic } from "../../../contracts/topics.ts";
import type { RebuildOptions, RebuildResult } from "../../../pipeline/rebuild.ts";
import { connectDedicated, connectPool, type Sql } from "../../../platform/postgres/connect.ts";
import { isPublic, type ReplicatedEntity } from "../../replicated-entities.ts";
import { replicaTable } from "../../table.ts";
import { maxAbsenceMs } from "../retention.ts";
import { readProofs } from "./account.ts";
import { type FillSource, readPositions } from "./fill.ts";
import { PARALLEL_PARTITIONS, TopicFiller } from "./fill-topics.ts";
import { dropUnusableNewSchema } from "./resume.ts";
import { switchTables } from "./switch.ts";
import {
  dropNewSchema,
  finishTables,
  LogIncompleteError,
  lockRebuild,
  NEW_SCHEMA,
  type NewTable,
  newNameOf,
  prepareTables,
} from "./tables.ts";

const STATEMENT_TIMEOUT_MS = 600_000;

/** The entities are given, so the project is not needed. */
type FillOptions = Omit<RebuildOptions, "project">;

/**
 * Rebuilds the tables of all entities of a replica.
 *
 * @param entities of the replica, internal ones included.
 * @returns when the new tables are in place, or were not approved.
 * @throws {LogIncompleteError} when the log cannot account for rows of the live tables.
 * @throws {RebuildRejectedError} when something has to be removed or repaired first; the message says what.
 * @throws the database's or the log's error. The live tables are unchanged, and the next run resumes.
 */
export async function rebuildTables(
  options: FillOptions,
  entities: readonly ReplicatedEntity[],
): Promise<RebuildResult> {
  const { databaseUrl } = options;
  const name = "lockstep-rebuild";
  const session = connectDedicated(databaseUrl, name);
  const pool = connectPool(databaseUrl, { max: PARALLEL_PARTITIONS, name, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  try {
    await lockRebuild(session);
    return await fillAndSwitch(options, entities, session, pool);
  } catch (error) {
    // The next run needs another log, and fills other tables from it.
    if (error instanceof LogIncompleteError) await dropNewSchema(session);
    throw error;
  } finally {
    await Promise.all([pool.end({ timeout: 1 }), session.end({ timeout: 1 })]);
  }
}

/** @param session holds the rebuild's lock. */
async function fillAndSwitch(
  options: FillOptions,
  entities: readonly ReplicatedEntity[],
  session: Sql,
  pool: Sql,
): Promise<RebuildResult> {
  const { log, approve } = options;
  const startedAt = performance.now();
  const tables = await prepare(options, entities, session);
  const sources = await sourcesOf(log, entities, tables);
  const filler = new TopicFiller(options, sources, await readPositions(session));
  const resumedAt = filler.records;
  await filler.fillMost(pool);
  await finishTables(session, tables);
  // Records that arrived while the indexes were built are filled before the switch, because applies wait during it.
  await filler.fillMost(pool);
  const fillSeconds = secondsSince(startedAt);
  const switched =
    (await approve?.({
      schema: NEW_SCHEMA,
      nameOf: (live) => newNameOf(tables, live),
      catchUp: () => filler.fillAll(pool),
    })) ?? true;
  const approvedAt = performance.now();
  if (switched) {
    const visible = entities.filter(isPublic).map(({ entity }) => entity);
    await readProofs(session, log, entities[0]!.replica.name, approve ? [] : visible);
    await switchTables(session, {
      tables,
      entities: visible,
      fillRest: (transaction) => filler.fillWithin(transaction),
      rejected: () => filler.rejected.size,
      isCompared: approve !== undefined,
    });
  }
  return {
    records: filler.records,
    rows: await countRows(session, switched ? "lockstep.versions" : `${NEW_SCHEMA}.versions`, entities),
    seconds: fillSeconds + secondsSince(approvedAt),
    resumedAt,
    refused: filler.rejected.size,
    switched,
  };
}

/** Creates the new tables, or takes over those of an interrupted rebuild. */
async function prepare(
  { log, restart, keepOldest }: FillOptions,
  entities: readonly ReplicatedEntity[],
  session: Sql,
): Promise<NewTable[]> {
  const topics = entities.map(topicOf);
  if (restart) await dropNewSchema(session);
  else await dropUnusableNewSchema(session, log, await log.topicIds(topics), await maxAbsenceMs(log, topics));
  return prepareTables(
    session,
    entities.map(({ entity, replica }) => replicaTable(entity, replica)),
    keepOldest,
  );
}

const topicOf = ({ entity, replica }: ReplicatedEntity): string => replicaTopic(entity, replica.name).name;

const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1_000;

async function countRows(sql: Sql, versions: string, entities: readonly ReplicatedEntity[]): Promise<number> {
  const names = entities.filter(isPublic).map(({ entity }) => entity.name);
  const [row] = await sql<{ rows: string }[]>`
    select count(*) as rows from ${sql(versions)} where not deleted and entity in ${sql(names)}`;
  return Number(row!.rows);
}

async function sourcesOf(
  log: FillOptions["log"],
  entities: readonly ReplicatedEntity[],
  tables: readonly NewTable[],
): Promise<FillSource[]> {
  const sources: FillSource[] = [];
  const topicIds = await log.topicIds(entities.map(topicOf));
  for (const [i, { entity, replica }] of entities.entries()) {
    const topic = topicOf({ entity, replica });
    const count = await log.partitionCount(topic);
    const topicId = topicIds.get(topic) ?? "";
    for (let partition = 0; partition < count; partition++)
      sources.push({ entity, replica, topic, topicId, partition, table: tables[i]! });
  }
  return sources;
}
