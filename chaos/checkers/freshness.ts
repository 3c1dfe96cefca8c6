/** P8: a read with a token sees the token's write, and a replica that confirmed a waiting write has it. */
import type { Checker, Violation } from "../checker.ts";
import type { Operation } from "../history.ts";
import { type Floor, faultOf, originOf, readsByEntity, visitWithFloors } from "./floors.ts";
import { at, Timeline } from "./timeline.ts";

/** Compares reads with the writes that they must see. */
export const freshness: Checker = {
  name: "freshness",
  promises: ["P8"],
  proves:
    "A read with a `Sync-Token` answers the version of the token or a newer one, or refuses. After a write with `Prefer: " +
    "wait` has named a replica, no read of this replica answers an older version.",
  cannotSee: "A waiting write whose answer leaves out a replica that had the version: that is allowed.",
  check: ({ operations, ...run }) => {
    const timeline = new Timeline(run);
    const found: Violation[] = [];
    const confirmed = confirmations(operations);
    for (const [key, reads] of readsByEntity(operations)) {
      for (const read of reads) {
        const { required, replica, id, client, end } = read;
        const wrong = required === undefined ? undefined : faultOf(read, required, timeline);
        if (!wrong) continue;
        const sentence = `${replica} answered ${wrong} of ${id} ${originOf(read)} to ${client} at ${at(end)}, although the token of the read required version ${required}`;
        found.push({ promise: "P8", sentence, operations: [read] });
      }
      visitWithFloors(reads, confirmed.get(key) ?? [], (read, floor) => {
        const wrong = floor && faultOf(read, floor.version, timeline);
        if (!wrong) return undefined;
        const { replica, id, client, end } = read;
        const sentence = `${replica} answered ${wrong} of ${id} ${originOf(read)} to ${client} at ${at(end)}, after a write with Prefer: wait was answered at ${at(floor.at)} that ${replica} had version ${floor.version}`;
        found.push({ promise: "P8", sentence, operations: [floor.because, read] });
        return undefined;
      });
    }
    return found;
  },
};

/** What waiting writes say about each replica and entity. */
function confirmations(operations: readonly Operation[]): ReadonlyMap<string, readonly Floor[]> {
  const floors = operations.flatMap((write) => {
    if (write.kind === "read" || !write.id || write.version === undefined) return [];
    const { id, version, end, readableIn } = write;
    return readableIn.map((replica) => ({ key: `${replica} ${id}`, at: end, version, because: write }));
  });
  return Map.groupBy(floors, ({ key }) => key);
}
