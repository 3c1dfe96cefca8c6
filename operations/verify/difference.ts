/** Compares one entity in the source with the same entity in a replica. Pure. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";

/**
 * - missing: the replica does not have an entity that it should have
 * - extra: the replica has an entity that it should not have
 * - stale: the replica has an older version
 * - altered: the version is right, and the content differs
 * - cache-stale, cache-altered: the same for the replica's cache, compared with the replica's database
 */
export const differenceKinds = ["missing", "extra", "stale", "altered", "cache-stale", "cache-altered"] as const;
/** One of {@link differenceKinds}. */
export type DifferenceKind = (typeof differenceKinds)[number];

/** How one entity differs in one replica. Holds no value of a field, since fields may be private. */
export interface Difference {
  readonly entity: string;
  readonly replica: string;
  readonly id: EntityId;
  readonly kind: DifferenceKind;
  /** Version of the source's row or tombstone. For a cache difference, of the replica's row. Null: none. */
  readonly sourceVersion: number | null;
  /**
   * Version of the replica's row, or the recorded one without a row. For a cache difference, of the entry. Null: none.
   */
  readonly replicaVersion: number | null;
  /** The version that the replica has recorded for the entity. It applies nothing older. Null: it has recorded none. */
  readonly heardVersion: number | null;
  /** Names of the members that differ, for `altered`. */
  readonly fields: readonly string[];
}

/** True when only the replica's cache differs, and its row is right. */
export const isCacheDifference = ({ kind }: Pick<Difference, "kind">): boolean => kind.startsWith("cache-");

type Row = Record<string, unknown>;

/** What the source and a replica have for one id. */
export interface ComparedEntity {
  readonly id: EntityId;
  /** Null: the source has no row. */
  readonly sourceRow: Row | null;
  /** Version of the source's row, or of its tombstone for a deleted row. Null: the source never had the id. */
  readonly sourceVersion: number | null;
  /** Null: the replica has no row. */
  readonly replicaRow: Row | null;
  /** The version that the replica has recorded. Null: none. */
  readonly heardVersion: number | null;
}

/** How the replica differs from what it should have; undefined when it does not. */
export function compareEntity(
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
  { id, sourceRow, sourceVersion, replicaRow, heardVersion }: ComparedEntity,
): Difference | undefined {
  const expected = expectedDocument(entity, replica, sourceRow);
  const actual = replicaRow && documentOf(replica.fields, replicaRow);
  const difference = (kind: DifferenceKind, fields: readonly string[] = []): Difference => ({
    entity: entity.name,
    replica: replica.name,
    id,
    kind,
    sourceVersion,
    replicaVersion: actual ? Number(actual.version) : heardVersion,
    heardVersion,
    fields,
  });
  if (expected && !actual) return difference("missing");
  if (!expected && actual) return difference("extra");
  if (expected && actual) {
    if (Number(actual.version) < Number(expected.version)) return difference("stale");
    const fields = Object.keys(expected).filter((member) => !Bun.deepEquals(expected[member], actual[member]));
    if (fields.length > 0) return difference("altered", fields);
  }
  if (heardVersion === null || sourceVersion === null || heardVersion === sourceVersion) return undefined;
  // The row is right and the recorded version is not: the replica would skip the next event, or apply an old one.
  return heardVersion < sourceVersion ? difference("stale") : difference("altered", ["version"]);
}

/** The document that the replica should have for the source's row. Null: it should have none. */
function expectedDocument(entity: EntityDeclaration, replica: ReplicaDeclaration, row: Row | null): Document | null {
  const document = row && documentOf(entity.fields, row);
  if (!document || !replica.filter(document)) return null;
  const { id, version, createdAt, updatedAt } = document;
  return { id, ...replica.project(document), createdAt, updatedAt, version };
}

/** True when the replica's recorded version is below the source's: the event may be in flight. */
export const mayBeInFlight = ({ sourceVersion, heardVersion }: ComparedEntity): boolean =>
  (heardVersion ?? 0) < (sourceVersion ?? 0);
