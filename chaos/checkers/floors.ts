/** Versions that reads must not answer below: a read that starts after a version was seen must see it or a newer one. */
import type { Operation, ReadOperation } from "../history.ts";
import type { Timeline } from "./timeline.ts";

/** From a time on, a replica has at least a version of an entity. */
export interface Floor {
  readonly at: number;
  readonly version: number;
  /** The operation that shows it. */
  readonly because: Operation;
}

/** Reads that say what a replica has, by replica and entity. */
export function readsByEntity(operations: readonly Operation[]): ReadonlyMap<string, readonly ReadOperation[]> {
  const telling = operations.filter(
    (one): one is ReadOperation => one.kind === "read" && (one.outcome === "seen" || one.outcome === "absent"),
  );
  return Map.groupBy(telling, ({ replica, id }) => `${replica} ${id}`);
}

/**
 * Visits reads of one entity in order of their start, each with the highest floor before it.
 *
 * @param floors what is known beforehand.
 * @param visit returns a further floor that the read shows.
 */
export function visitWithFloors(
  reads: readonly ReadOperation[],
  floors: readonly Floor[],
  visit: (read: ReadOperation, floor: Floor | undefined) => Floor | undefined,
): void {
  // A read shows its floor when it ends. Floors of reads that are still under way wait here.
  const pending = [...floors];
  let highest: Floor | undefined;
  for (const read of [...reads].sort((a, b) => a.start - b.start)) {
    for (let i = pending.length - 1; i >= 0; i--) {
      const floor = pending[i]!;
      if (floor.at >= read.start) continue;
      pending.splice(i, 1);
      if (floor.version > (highest?.version ?? 0)) highest = floor;
    }
    const shown = visit(read, highest);
    if (shown) pending.push(shown);
  }
}

/** Where an answer came from, as text: `from the cache`. */
export const originOf = ({ from }: ReadOperation): string => (from === "list" ? "in a list" : `from the ${from}`);

/** What is wrong with a read, when a replica has at least `version` of its entity. Undefined: nothing. */
export function faultOf(read: ReadOperation, version: number, timeline: Timeline): string | undefined {
  const { replica, id } = read;
  if (read.outcome === "seen") return (read.version ?? 0) < version ? `version ${read.version}` : undefined;
  return timeline.removedFrom(replica, id, version) === undefined ? "no version" : undefined;
}
