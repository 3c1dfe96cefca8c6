/**
 * Judges what clients saw: their own writes, and time never going back (read your writes and monotonic reads, in the words of
 * Terry et al., "Session guarantees for weakly consistent replicated data", 1994). Pure.
 */

/** A committed write: of a session, since nobody else reads by what it promises. */
export interface SessionWrite {
  readonly session: number;
  readonly id: string;
  readonly version: number;
  /** Names of the replicas that have the entity from this version on. */
  readonly replicas: readonly string[];
}

/** A read that brought the token of everything that its session had written before. */
export interface SessionRead {
  readonly session: number;
  readonly replica: string;
  readonly id: string;
  /** Undefined: the replica said that it is not there. */
  readonly version: number | undefined;
}

export type SessionEvent = SessionWrite | SessionRead;

const isRead = (happened: SessionEvent): happened is SessionRead => "replica" in happened;

/** @param history each session's part in its own order. @returns every read that must not have been answered so. */
export function findSessionViolations(history: readonly SessionEvent[]): { read: SessionRead; why: string }[] {
  const writes = new Map<string, SessionWrite[]>();
  for (const happened of history)
    if (!isRead(happened)) writes.set(happened.id, [...(writes.get(happened.id) ?? []), happened]);
  /** Versions, from `least` on, with which the replica has none. */
  const removals = (replica: string, id: string, least: number): number[] =>
    (writes.get(id) ?? []).flatMap(({ version, replicas }) =>
      version >= least && !replicas.includes(replica) ? [version] : [],
    );
  const ownVersions = new Map<string, number>();
  const seenVersions = new Map<string, number>();
  const violations: { read: SessionRead; why: string }[] = [];
  for (const happened of history) {
    const mine = `${happened.session} ${happened.id}`;
    if (!isRead(happened)) {
      ownVersions.set(mine, Math.max(ownVersions.get(mine) ?? 0, happened.version));
      continue;
    }
    const { replica, id, version } = happened;
    const place = `${mine} ${replica}`;
    const least = Math.max(ownVersions.get(mine) ?? 0, seenVersions.get(place) ?? 0);
    const removedVersions = removals(replica, id, least);
    if (version !== undefined) {
      if (version < least) violations.push({ read: happened, why: `version ${version} after ${least}` });
      else if (removedVersions.includes(version))
        violations.push({ read: happened, why: `version ${version}, which is not this replica's` });
      seenVersions.set(place, Math.max(version, seenVersions.get(place) ?? 0));
    } else if (least > 0) {
      // Which of the removals it saw is not known: the earliest at least.
      if (removedVersions.length === 0) violations.push({ read: happened, why: `not there after version ${least}` });
      else seenVersions.set(place, Math.max(seenVersions.get(place) ?? 0, Math.min(...removedVersions)));
    }
  }
  return violations;
}
