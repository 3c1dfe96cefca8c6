/** What one entity is in the source and in a replica, and how they differ. Pure. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";

/**
 * - missing: the replica should have the entity and has none
 * - extra: the replica has one that it should not have
 * - stale: the replica has an older version
 * - altered: the version is right and the content is not
 * - cache-stale, cache-altered: the same of the replica's cache, against its own database
 */
export const differenceKinds = ["missing", "extra", "stale", "altered", "cache-stale", "cache-altered"] as const;
export type DifferenceKind = (typeof differenceKinds)[number];

export interface Difference {
  readonly entity: string;
  readonly replica: string;
  readonly id: EntityId;
  readonly kind: DifferenceKind;
  /** Version in the source, of the row or its tombstone; for the cache's kinds, of the replica's row. Null: none. */
  readonly sourceVersion: number | null;
  /** Version of the replica's row, else the one that it has heard of; for the cache's kinds, of the entry. Null: none. */
  readonly replicaVersion: number | null;
  /** The version that the replica has heard of: it takes nothing older. Null: it never heard of the entity. */
  readonly heardVersion: number | null;
  /** Members that differ, for `altered`. Their values are not told: they may be private. */
  readonly fields: readonly string[];
}

/** Of the replica's cache only: its row is right. */
export const isCacheDifference = ({ kind }: Pick<Difference, "kind">): boolean => kind.startsWith("cache-");

type Row = Record<string, unknown>;

/** What the databases have for one id. */
export interface ComparedEntity {
  readonly id: EntityId;
  /** The source's row, or null; and its version, a tombstone's for a row that is gone, null when nothing is known. */
  readonly sourceRow: Row | null;
  readonly sourceVersion: number | null;
  readonly replicaRow: Row | null;
  /** The version that the replica has heard of; null: never heard of it. */
  readonly heardVersion: number | null;
}

/** How the replica differs from what it should be; undefined when it does not. */
export function compareEntity(
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
  found: ComparedEntity,
): Difference | undefined {
  const { id, sourceVersion, heardVersion } = found;
  const expected = expectedOf(entity, replica, found.sourceRow);
  const actual = found.replicaRow && documentOf(replica.fields, found.replicaRow);
  const tell = (kind: DifferenceKind, fields: readonly string[] = []): Difference => ({
    entity: entity.name,
    replica: replica.name,
    id,
    kind,
    sourceVersion,
    replicaVersion: actual ? Number(actual.version) : heardVersion,
    heardVersion,
    fields,
  });
  if (expected && !actual) return tell("missing");
  if (!expected && actual) return tell("extra");
  if (expected && actual) {
    if (Number(actual.version) < Number(expected.version)) return tell("stale");
    const members = Object.keys(expected).filter((member) => !Bun.deepEquals(expected[member], actual[member]));
    if (members.length > 0) return tell("altered", members);
  }
  // The row is right, but the replica would take the next event for an old one, or an old one for the next.
  return heardVersion !== null && sourceVersion !== null && heardVersion !== sourceVersion
    ? tell(heardVersion < sourceVersion ? "stale" : "altered", heardVersion < sourceVersion ? [] : ["version"])
    : undefined;
}

/** What the replica should have for the source's row: null for nothing. */
function expectedOf(entity: EntityDeclaration, replica: ReplicaDeclaration, row: Row | null): Document | null {
  const document = row && documentOf(entity.fields, row);
  if (!document || !replica.filter(document)) return null;
  const { id, version, createdAt, updatedAt } = document;
  return { id, ...replica.project(document), createdAt, updatedAt, version };
}

/** True when the replica has not heard of what the source has: it may be on its way. */
export const mayBeInFlight = ({ sourceVersion, heardVersion }: ComparedEntity): boolean =>
  (heardVersion ?? 0) < (sourceVersion ?? 0);
