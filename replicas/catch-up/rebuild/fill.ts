/** Reads one partition of a replica's topic into the new tables, and saves the position with each batch. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { readKey } from "../../../contracts/entity/key.ts";
import { decodeRouted, NewerSchemaVersionError } from "../../../contracts/routed-event.ts";
import { type Log, partitionKey, type StoredRecord, type TopicPartition } from "../../../kafka/log.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { isRejected } from "../../../platform/postgres/errors.ts";
import type { Change } from "../../apply/apply.ts";
import { reduce } from "../../apply/reduce.ts";
import { fillParameters, fillStatement } from "./fill-statement.ts";
import type { NewTable } from "./tables.ts";

/** Changes per statement. */
const BATCH = 2_000;

/** One partition of one entity's topic, and the new table that it fills. */
export interface FillSource extends TopicPartition {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
  /** Identity of the topic; empty when the brokers have none. */
  readonly topicId: string;
  readonly table: NewTable;
}

/** The positions that an interrupted rebuild has saved, by partition. @throws the database's error. */
export async function readPositions(sql: Sql): Promise<Map<string, number>> {
  const rows = await sql<{ topic: string; partition: number; next: string }[]>`
    select topic, "partition", next_offset as next from lockstep_next.positions`;
  return new Map(rows.map((row) => [partitionKey(row), Number(row.next)]));
}

/** Collaborators of {@link fillPartition}. */
export interface FillDeps {
  /** Runs one statement. Its failure must undo nothing else: it runs on its own, or behind a savepoint. */
  readonly run: (work: (sql: Sql) => Promise<unknown>) => Promise<unknown>;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Called for an entity whose row the table rejected. It is left out, as the live replica leaves it out. */
  readonly onRejected: (id: EntityId, error: unknown) => void;
}

/**
 * Reads a partition from `from` (inclusive) to `to` (exclusive) into its new table. Each batch and its position are one
 * statement, so a process that dies loses nothing and repeats nothing.
 *
 * @param onFilled called with the number of records of each batch, and the offset that follows them.
 * @throws {NewerSchemaVersionError} when a newer stream wrote a record.
 * @throws the signal's reason, the database's error, or the log's.
 */
export async function fillPartition(
  deps: FillDeps,
  source: FillSource,
  from: number,
  to: number,
  onFilled: (records: number, next: number) => void,
): Promise<void> {
  const statement = fillStatement(source.table);
  let changes: Change[] = [];
  let next = from;
  const flush = async (upTo: number) => {
    await writeBatch(deps, source, statement, reduce(changes), next, upTo);
    onFilled(upTo - next, upTo);
    changes = [];
    next = upTo;
  };
  for await (const records of deps.log.read(source, from, to)) {
    deps.signal.throwIfAborted();
    for (const record of records) {
      const change = changeOf(record, source);
      if (change) changes.push(change);
      if (changes.length >= BATCH) await flush(record.offset + 1);
    }
  }
  if (next < to) await flush(to);
}

/**
 * Writes changes and the position `upTo`. A rejected batch is halved until the rejected row is alone. All parts but the
 * last one save the old position `next`.
 */
async function writeBatch(
  deps: FillDeps,
  source: FillSource,
  statement: string,
  changes: readonly Change[],
  next: number,
  upTo: number,
): Promise<void> {
  const parameters = fillParameters(source.table, changes, { ...source, next: upTo });
  try {
    await deps.run((sql) => sql.unsafe(statement, parameters, { prepare: true }));
  } catch (error) {
    if (!isRejected(error) || changes.length === 0) throw error;
    const half = changes.length >> 1;
    if (half > 0) await writeBatch(deps, source, statement, changes.slice(0, half), next, next);
    else deps.onRejected(changes[0]!.id, error);
    await writeBatch(deps, source, statement, half > 0 ? changes.slice(half) : [], next, upTo);
  }
}

/** @returns undefined for a record that is not an event: the live replica skips it too. */
function changeOf(record: StoredRecord, { entity, replica }: FillSource): Change | undefined {
  try {
    const event = decodeRouted(record, { entity, replica });
    return readKey(entity, event.id) === event.id ? event : undefined;
  } catch (error) {
    if (error instanceof NewerSchemaVersionError) throw error;
    return undefined;
  }
}
