/**
 * Judges what clients saw: their own writes, and time never going back (read your writes and monotonic reads, in the words of
 * Terry et al., "Session guarantees for weakly consistent replicated data", 1994). Pure.
 */

/** A committed write: of a session, since nobody else reads by what it promises. */
export interface Wrote {
  readonly session: number;
  readonly id: string;
  readonly version: number;
  /** Names of the replicas that have the entity from this version on. */
  readonly there: readonly string[];
}

/** A read that brought the token of everything that its session had written before. */
export interface Read {
  readonly session: number;
  readonly replica: string;
  readonly id: string;
  /** Undefined: the replica said that it is not there. */
  readonly version: number | undefined;
}

export type Happened = Wrote | Read;

const isRead = (happened: Happened): happened is Read => "replica" in happened;

/** @param history each session's part in its own order. @returns every read that must not have been answered so. */
export function violationsOf(history: readonly Happened[]): { read: Read; why: string }[] {
  const writes = new Map<string, Wrote[]>();
  for (const happened of history)
    if (!isRead(happened)) writes.set(happened.id, [...(writes.get(happened.id) ?? []), happened]);
  /** Versions, from `least` on, with which the replica has none. */
  const removals = (replica: string, id: string, least: number): number[] =>
    (writes.get(id) ?? []).flatMap(({ version, there }) =>
      version >= least && !there.includes(replica) ? [version] : [],
    );
  const own = new Map<string, number>();
  const seen = new Map<string, number>();
  const found: { read: Read; why: string }[] = [];
  for (const happened of history) {
    const mine = `${happened.session} ${happened.id}`;
    if (!isRead(happened)) {
      own.set(mine, Math.max(own.get(mine) ?? 0, happened.version));
      continue;
    }
    const { replica, id, version } = happened;
    const place = `${mine} ${replica}`;
    const least = Math.max(own.get(mine) ?? 0, seen.get(place) ?? 0);
    const gone = removals(replica, id, least);
    if (version !== undefined) {
      if (version < least) found.push({ read: happened, why: `version ${version} after ${least}` });
      else if (gone.includes(version))
        found.push({ read: happened, why: `version ${version}, which is not this replica's` });
      seen.set(place, Math.max(version, seen.get(place) ?? 0));
    } else if (least > 0) {
      // Which of the removals it saw is not known: the earliest at least.
      if (gone.length === 0) found.push({ read: happened, why: `not there after version ${least}` });
      else seen.set(place, Math.max(seen.get(place) ?? 0, Math.min(...gone)));
    }
  }
  return found;
}
