/**
 * Finds live rows that a switch would lose. A record that is missing in the log proves nothing: the log may be younger
 * than the replica, or have lost records. Only the versions topic proves that a replica must not have an entity, at a
 * newer version than the row's. A proof of the row's own version may be older than a resend that brought the row.
 *
 * The ids stay in the database and the topic is read in parts, so the memory does not grow with either.
 */
import type { TransactionSql } from "postgres";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../../../contracts/entity/document.ts";
import { isKeyText } from "../../../contracts/entity/key.ts";
import { decodeKnownVersion } from "../../../contracts/known-version.ts";
import { versionsTopic } from "../../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../../kafka/log.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/** Ids in one statement. */
const CHUNK = 2_000;

/** What the new tables do not have of the live ones. */
export interface Loss {
  /** Live rows. */
  readonly live: number;
  /** Live rows that the new tables lack, without proof that they are gone. */
  readonly missing: number;
  /** Entities, deleted ones included, of which the new tables have an older version. */
  readonly older: number;
}

/**
 * Reads the proofs for rows that the new tables lack into `lockstep_next.unaccounted`. Call it before
 * {@link measureLoss}, and before locks are taken: it may read the whole versions topic.
 *
 * @param entities public entities of the replica.
 * @throws the database's or the log's error.
 */
export async function readProofs(
  sql: Sql,
  log: Pick<Log, "offsets" | "read">,
  replica: string,
  entities: readonly EntityDeclaration[],
): Promise<void> {
  await sql`drop table if exists lockstep_next.unaccounted`;
  // absent_at: newest version at which the replica must not have the entity. Null: no proof.
  await sql`create unlogged table lockstep_next.unaccounted
    (entity text, id text collate "C", absent_at bigint, primary key (entity, id))`;
  for (const entity of entities) {
    const { count } = await sql`
      insert into lockstep_next.unaccounted (entity, id)
      select l.entity, l.id from lockstep.versions l
      where l.entity = ${entity.name} and not l.deleted
        and not exists (select from lockstep_next.versions n where n.entity = l.entity and n.id = l.id)`;
    if (count > 0) await readVersionsTopic(sql, log, replica, entity);
  }
  await sql`analyze lockstep_next.unaccounted`;
}

async function readVersionsTopic(
  sql: Sql,
  log: Pick<Log, "offsets" | "read">,
  replica: string,
  entity: EntityDeclaration,
): Promise<void> {
  const { name: topic } = versionsTopic(entity);
  for (const [partition, { first, next }] of await log.offsets(topic)) {
    // The newest record of an id counts: a later version may be one that the replica must have.
    let absentAt = new Map<EntityId, Version | null>();
    const flush = async () => {
      const proofs = [...absentAt].map(([id, version]) => ({ id, absent_at: version }));
      absentAt = new Map();
      await sql`
        update lockstep_next.unaccounted u set absent_at = p.absent_at
        from jsonb_to_recordset(${JSON.stringify(proofs)}::text::jsonb) as p (id text, absent_at bigint)
        where u.entity = ${entity.name} and u.id = p.id`;
    };
    for await (const records of log.read({ topic, partition }, first, next)) {
      for (const record of records) readProof(record, replica, absentAt);
      if (absentAt.size >= CHUNK) await flush();
    }
    await flush();
  }
}

function readProof({ key, value }: StoredRecord, replica: string, absentAt: Map<EntityId, Version | null>): void {
  const id = key?.toString() ?? "";
  if (!isKeyText(id)) return;
  const known = value && decodeKnownVersion(value);
  absentAt.set(id, known?.absent.includes(replica) ? known.version : null);
}

/**
 * Counts what a switch would lose. Entities that users do not see, such as the canary, do not count.
 *
 * @throws the database's error.
 */
export async function measureLoss(sql: Sql | TransactionSql, entities: readonly EntityDeclaration[]): Promise<Loss> {
  const names = entities.map(({ name }) => name);
  const [row] = await sql<{ live: string; missing: string; older: string }[]>`
    select count(*) filter (where not l.deleted) as live,
      count(*) filter (where not l.deleted and n.id is null and not coalesce(u.absent_at > l.version, false)) as missing,
      count(*) filter (where n.version < l.version) as older
    from lockstep.versions l
    left join lockstep_next.versions n using (entity, id)
    left join lockstep_next.unaccounted u using (entity, id)
    where l.entity in (select jsonb_array_elements_text(${JSON.stringify(names)}::text::jsonb))`;
  return { live: Number(row!.live), missing: Number(row!.missing), older: Number(row!.older) };
}

/**
 * Copies the versions of deleted entities that the log no longer has, so that late events stay without effect (P4).
 *
 * @throws the database's error.
 */
export const keepTombstones = (sql: TransactionSql): Promise<unknown> =>
  sql`
    insert into lockstep_next.versions
    select l.* from lockstep.versions l
    where l.deleted and not exists (select from lockstep_next.versions n where n.entity = l.entity and n.id = l.id)
  `.execute();

/** Describes a loss for people; undefined when there is none. */
export function lossText({ live, missing, older }: Loss): string | undefined {
  const figure = (count: number) => count.toLocaleString("en-US");
  const parts = [
    ...(missing > 0 ? [`lacks ${figure(missing)} of ${figure(live)} entities`] : []),
    ...(older > 0 ? [`has older versions of ${figure(older)} entities`] : []),
  ];
  return parts.length > 0 ? `the log ${parts.join(" and ")}` : undefined;
}
