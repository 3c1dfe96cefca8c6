/** Puts what a replica's topics hold into the new tables, partition by partition, and remembers how far with each batch. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { rowOf } from "../../../contracts/entity/row.ts";
import { isId } from "../../../contracts/pages.ts";
import { decodeRouted, NewerSchemaVersionError } from "../../../contracts/routed-event.ts";
import { replicaTopic } from "../../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../../kafka/log.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { isRejected } from "../../../platform/postgres/errors.ts";
import type { Change } from "../../apply/apply.ts";
import { reduce } from "../../apply/reduce.ts";
import { type NextTable, quoted } from "./tables.ts";

/** Changes in one statement. */
const BATCH = 2_000;

/** One partition of one entity's topic. */
export interface Source {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
  readonly table: NextTable;
  readonly partition: number;
}

/** Where each partition goes on: what a rebuild that was interrupted has done already. */
export async function filledTo(sql: Sql): Promise<Map<string, number>> {
  const rows = await sql<{ topic: string; partition: number; next: string }[]>`
    select topic, "partition", next_offset as next from lockstep_next.positions`;
  return new Map(rows.map(({ topic, partition, next }) => [`${topic}/${partition}`, Number(next)]));
}

export interface FillParts {
  /** Runs one statement such that its failure undoes nothing else: by itself, or behind a savepoint of a transaction. */
  readonly run: (work: (sql: Sql) => Promise<unknown>) => Promise<unknown>;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The table does not take this entity: it is left out, as the live replica leaves it out. */
  readonly onRefused: (id: EntityId, why: unknown) => void;
}

/**
 * Reads a partition up to `to` and puts it into the new tables. Each batch and its position are one statement, so a process that
 * dies loses nothing and does nothing twice.
 *
 * @throws {NewerSchemaVersionError} for what a newer stream wrote; and what the database or the log says.
 */
export async function fill(
  deps: FillParts,
  source: Source,
  from: number,
  to: number,
  onFilled: (records: number, next: number) => void,
): Promise<void> {
  const { run, log, signal, onRefused } = deps;
  const topic = replicaTopic(source.entity, source.replica.name).name;
  const statement = statementOf(source.table);
  let gathered: Change[] = [];
  let next = from;
  /** The changes, and that everything before `upTo` is done; by halves where one is refused, so that it alone is left out. */
  const putAll = async (changes: readonly Change[], upTo: number): Promise<void> => {
    const batch = changes.map(({ id, version, digest, resend, document }) => ({
      id,
      version,
      digest,
      again: resend !== undefined,
      row: document && rowOf(document),
    }));
    const parameters = [JSON.stringify(batch), source.entity.name, topic, source.partition, upTo];
    try {
      await run((sql) => sql.unsafe(statement, parameters, { prepare: true }));
    } catch (error) {
      if (!isRejected(error) || changes.length === 0) throw error;
      const half = changes.length >> 1;
      if (half > 0) await putAll(changes.slice(0, half), next);
      else onRefused(changes[0]!.id, error);
      await putAll(half > 0 ? changes.slice(half) : [], upTo);
    }
  };
  const put = async (upTo: number) => {
    await putAll(reduce(gathered), upTo);
    onFilled(upTo - next, upTo);
    gathered = [];
    next = upTo;
  };
  for await (const records of log.read({ topic, partition: source.partition }, from, to)) {
    signal.throwIfAborted();
    for (const record of records) {
      const change = changeOf(record, source);
      if (change) gathered.push(change);
      if (gathered.length >= BATCH) await put(record.offset + 1);
    }
  }
  if (next < to) await put(to);
}

/** What is no event says nothing about an entity: the replica skips it as well. */
function changeOf(record: StoredRecord, { entity, replica }: Source): Change | undefined {
  try {
    const event = decodeRouted(record, { entity, replica });
    return isId(event.id) ? event : undefined;
  } catch (error) {
    if (error instanceof NewerSchemaVersionError) throw error;
    return undefined;
  }
}

/**
 * What was sent again takes the place of the same version: the log may still have what it mended.
 *
 * Takes: $1 a JSON list of {id, version, digest, again, row}, each id once, $2 entity, $3 topic, $4 partition, $5 where to go on.
 */
function statementOf({ name, columns }: NextTable): string {
  const list = columns.map((column) => quoted(column.name)).join(", ");
  const typed = columns.map((column) => `${quoted(column.name)} ${column.type}`).join(", ");
  const given = columns
    .map(({ name: column }) => (["id", "version"].includes(column) ? `g.${column}` : `r.${quoted(column)}`))
    .join(", ");
  const changes = columns
    .filter((column) => column.name !== "id")
    .map((column) => `${quoted(column.name)} = excluded.${quoted(column.name)}`);
  const table = `lockstep_next.${quoted(name)}`;
  return `
    with given as materialized (
      select id, version, digest, again, "row"
      from jsonb_to_recordset($1::text::jsonb) as c (id uuid, version bigint, digest bigint, again boolean, "row" jsonb)
    ), advanced as (
      insert into lockstep_next.versions as v (entity, id, version, deleted, digest)
      select $2, id, version, "row" is null, digest from given order by id
      on conflict (entity, id) do update set version = excluded.version, deleted = excluded.deleted, digest = excluded.digest
        where v.version < excluded.version
          or (v.version = excluded.version and v.id in (select id from given where again))
      returning v.id, v.deleted
    ), gone as (
      delete from ${table} where id in (select id from advanced where deleted)
    ), put as (
      insert into ${table} as t (${list})
      select ${given} from given g cross join jsonb_to_record(g."row") as r (${typed})
      where g."row" is not null and g.id in (select id from advanced) order by g.id
      on conflict (id) do update set ${changes.join(", ")}
    )
    insert into lockstep_next.positions (topic, "partition", next_offset, at) values ($3, $4, $5, now())
    on conflict (topic, "partition") do update set next_offset = excluded.next_offset -- at stays: when its filling began`;
}
