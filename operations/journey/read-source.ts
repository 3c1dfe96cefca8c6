/** The first hop of a journey: the source's table, its tombstones and its outbox. */
import { setAsideName } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

/** A version; as text where a number would not be exact. */
export type ExactVersion = number | string;

/** The entity in the source. */
export interface SourceHop {
  /** `unknown`: neither a row nor a tombstone. */
  readonly state: "present" | "deleted" | "unknown";
  readonly version: ExactVersion | null;
  /** When the row was last changed or deleted (ISO 8601); null where nothing records it. */
  readonly at: string | null;
}

/** Reads the entity's row or tombstone. @throws {Error} when the source is unavailable. */
export async function readSourceHop(source: Sql, entity: EntityDeclaration, id: EntityId): Promise<SourceHop> {
  const [row] = await source<{ is_present: boolean; version: string | null; at: Date | null }[]>`
    select s.data is not null as is_present, s.version,
      coalesce((s.data ->> c.updated_at)::timestamptz, d.at, v.at) as at
    from lockstep.captured c cross join lateral lockstep.states(c.entity, array[${id}::text]) s
    left join lockstep.tombstones d on d.entity = c.entity and d.id = s.id
    left join lockstep.row_versions v on v.entity = c.entity and v.id = s.id
    where c.entity = ${entity.name}`;
  const version = row?.version == null ? null : exactVersion(row.version);
  const state = row?.is_present ? "present" : version === null ? "unknown" : "deleted";
  return { state, version, at: row?.at?.toISOString() ?? null };
}

/** A change of the entity that the relay has set aside. */
export interface SetAsideHop {
  /** As `lockstep dead-letters` names it: `outbox/17`. */
  readonly name: string;
  readonly reason: string;
  readonly detail: string;
  /** A bigint as text. */
  readonly version: string;
}

/** Reads the entity's change that is set aside; null without one. @throws {Error} when the source is unavailable. */
export async function readSetAsideHop(
  source: Sql,
  entity: EntityDeclaration,
  id: EntityId,
): Promise<SetAsideHop | null> {
  const [row] = await source<{ seq: string; reason: string; detail: string; version: string }[]>`
    select seq, reason, detail, version from lockstep.set_aside where entity = ${entity.name} and id = ${id}`;
  return row ? { name: setAsideName(row.seq), reason: row.reason, detail: row.detail, version: row.version } : null;
}

/** Versions of the entity in the outbox, oldest first. @throws {Error} when the source is unavailable. */
export async function readOutboxVersions(
  source: Sql,
  entity: EntityDeclaration,
  id: EntityId,
): Promise<ExactVersion[]> {
  const rows = await source<{ version: string }[]>`
    select version from lockstep.outbox where entity = ${entity.name} and id = ${id} order by seq`;
  return rows.map(({ version }) => exactVersion(version));
}

/** @param text a bigint. */
function exactVersion(text: string): ExactVersion {
  const version = Number(text);
  return Number.isSafeInteger(version) ? version : text;
}
