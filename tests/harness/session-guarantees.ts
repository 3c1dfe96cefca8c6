/**
 * Checks a history of clients for two session guarantees: read your writes, and monotonic reads (Terry et al., "Session
 * guarantees for weakly consistent replicated data", 1994). Pure.
 */

/** A committed write of a session. Read your writes holds for this session only. */
export interface SessionWrite {
  readonly session: number;
  readonly id: string;
  readonly version: number;
  /** Names of the replicas that contain the entity at this version. */
  readonly replicas: readonly string[];
}

/** A read that sent the sync token of everything its session had written before. */
export interface SessionRead {
  readonly session: number;
  readonly replica: string;
  readonly id: string;
  /** Undefined: the replica answered 404. */
  readonly version: number | undefined;
}

/** One step of a session. */
export type SessionEvent = SessionWrite | SessionRead;

const isRead = (event: SessionEvent): event is SessionRead => "replica" in event;

/**
 * Finds the reads whose response breaks a guarantee.
 *
 * @param history the events of all sessions; those of one session in the order in which they event.
 * @returns each such read with the reason.
 */
export function findSessionViolations(history: readonly SessionEvent[]): { read: SessionRead; why: string }[] {
  const writes = new Map<string, SessionWrite[]>();
  for (const event of history) if (!isRead(event)) writes.set(event.id, [...(writes.get(event.id) ?? []), event]);
  /** Versions from `least` on at which the replica does not contain the entity. */
  const removals = (replica: string, id: string, least: number): number[] =>
    (writes.get(id) ?? []).flatMap(({ version, replicas }) =>
      version >= least && !replicas.includes(replica) ? [version] : [],
    );
  const ownVersions = new Map<string, number>();
  const seenVersions = new Map<string, number>();
  const violations: { read: SessionRead; why: string }[] = [];
  for (const event of history) {
    const sessionAndId = `${event.session} ${event.id}`;
    if (!isRead(event)) {
      ownVersions.set(sessionAndId, Math.max(ownVersions.get(sessionAndId) ?? 0, event.version));
      continue;
    }
    const { replica, id, version } = event;
    const sessionAndReplica = `${sessionAndId} ${replica}`;
    const least = Math.max(ownVersions.get(sessionAndId) ?? 0, seenVersions.get(sessionAndReplica) ?? 0);
    const removedVersions = removals(replica, id, least);
    if (version !== undefined) {
      if (version < least) violations.push({ read: event, why: `version ${version} after ${least}` });
      else if (removedVersions.includes(version))
        violations.push({ read: event, why: `version ${version}, which is not this replica's` });
      seenVersions.set(sessionAndReplica, Math.max(version, seenVersions.get(sessionAndReplica) ?? 0));
    } else if (least > 0) {
      // The read saw one of the removals; only the earliest is certain.
      if (removedVersions.length === 0) violations.push({ read: event, why: `not there after version ${least}` });
      else
        seenVersions.set(
          sessionAndReplica,
          Math.max(seenVersions.get(sessionAndReplica) ?? 0, Math.min(...removedVersions)),
        );
    }
  }
  return violations;
}
