/** Compares one entity in the source with the same entity in a replica. Pure. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../contracts/entity/document.ts";
import { computedMembers, hasSameValue } from "./declared-table.ts";
import { projectKnown, unknownMembers } from "./mask-keys.ts";

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

/** One side's row, as its PostgreSQL renders it. */
export interface ComparedRow {
  readonly version: number;
  /** The texts of the compared members, in the order of their list. */
  readonly texts: readonly (string | null)[];
  /** The whole document, for the replica's filter and computed members. */
  readonly document: Document;
}

/** What the source and a replica have for one id. */
export interface ComparedEntity {
  readonly id: EntityId;
  /** Null: the source has no row. */
  readonly sourceRow: ComparedRow | null;
  /** Version of the source's row, or of its tombstone for a deleted row. Null: the source never had the id. */
  readonly sourceVersion: number | null;
  /** Null: the replica has no row. */
  readonly replicaRow: ComparedRow | null;
  /** The version that the replica has recorded. Null: none. */
  readonly heardVersion: number | null;
}

/** What a comparison is made for. */
interface Compared {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
  /** The members whose texts are compared. */
  readonly members: readonly string[];
}

/** How the replica differs from what it should have; undefined when it does not. */
export function compareEntity(
  { entity, replica, members }: Compared,
  { id, sourceRow, sourceVersion, replicaRow: actual, heardVersion }: ComparedEntity,
): Difference | undefined {
  const difference = (kind: DifferenceKind, fields: readonly string[] = []): Difference => ({
    entity: entity.name,
    replica: replica.name,
    id,
    kind,
    sourceVersion,
    replicaVersion: actual?.version ?? heardVersion,
    heardVersion,
    fields,
  });
  const expected = sourceRow && isKept(replica, sourceRow.document) ? sourceRow : null;
  if (expected && !actual) return difference("missing");
  if (!expected && actual) return difference("extra");
  if (expected && actual) {
    if (actual.version < expected.version) return difference("stale");
    const fields = differingFields(replica, members, expected, actual);
    if (fields.length > 0) return difference("altered", fields);
  }
  if (heardVersion === null || sourceVersion === null || heardVersion === sourceVersion) return undefined;
  // The row is right and the recorded version is not: the replica would skip the next event, or apply an old one.
  return heardVersion < sourceVersion ? difference("stale") : difference("altered", ["version"]);
}

/** A row for which the declaration throws is expected: what the stream rejects, the replica cannot have. */
function isKept(replica: ReplicaDeclaration, document: Document): boolean {
  try {
    return replica.filter(document);
  } catch {
    return true;
  }
}

function differingFields(
  replica: ReplicaDeclaration,
  members: readonly string[],
  expected: ComparedRow,
  actual: ComparedRow,
): string[] {
  const taken = members.filter((_, i) => expected.texts[i] !== actual.texts[i]);
  const unknown = unknownMembers(replica);
  const derived = computedMembers(replica).filter((member) => !unknown.includes(member));
  const wrong = derived.length === 0 ? [] : differingDerived(replica, derived, expected.document, actual.document);
  return [...taken, ...wrong, ...(expected.version === actual.version ? [] : ["version"])];
}

function differingDerived(
  replica: ReplicaDeclaration,
  derived: readonly string[],
  source: Document,
  actual: Document,
): readonly string[] {
  try {
    const expected = projectKnown(replica, source);
    return derived.filter((member) => !hasSameValue(expected[member] ?? null, actual[member]));
  } catch {
    return derived;
  }
}

/** True when the replica's recorded version is below the source's: the event may be in flight. */
export const mayBeInFlight = ({ sourceVersion, heardVersion }: ComparedEntity): boolean =>
  (heardVersion ?? 0) < (sourceVersion ?? 0);
