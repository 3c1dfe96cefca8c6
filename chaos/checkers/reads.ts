/** P3, P4, P7: no reader of a replica sees a version decrease, or an entity come back without a newer version. */
import type { Checker, Violation } from "../checker.ts";
import type { ReadOperation } from "../history.ts";
import { copies } from "../rest/copies.ts";
import { type Floor, faultOf, originOf, readsByEntity, visitWithFloors } from "./floors.ts";
import { at, Timeline } from "./timeline.ts";

/** Compares the reads of a replica with each other, across readers, cache, database and lists. */
export const reads: Checker = {
  name: "reads",
  promises: ["P3", "P4", "P7", "P10"],
  proves:
    "A read that starts after another one of the same replica has ended sees the same or a newer version. It does not matter " +
    "who reads, or whether cache, database or a page of a list answers. A deleted entity comes back only with a newer version, and one that was there is absent " +
    "only where the source deleted it or the filter excludes it. Each document has the content of its version.",
  cannotSee: "Stale answers that no other read contradicts, such as the first one after a write.",
  check: ({ operations, ...run }) => {
    const timeline = new Timeline(run);
    const found: Violation[] = [];
    for (const ofEntity of readsByEntity(operations).values())
      visitWithFloors(ofEntity, [], (read, floor) => {
        const wrong = floor && faultOf(read, floor.version, timeline);
        if (wrong) found.push(contradiction(read, floor, wrong));
        else found.push(...resurrected(read, timeline), ...otherContent(read, timeline));
        return floorOf(read, floor, timeline);
      });
    return found;
  },
};

function contradiction(read: ReadOperation, floor: Floor, wrong: string): Violation {
  const { replica, id, client, end } = read;
  const before = floor.because as ReadOperation;
  const earlier =
    before.outcome === "seen"
      ? `version ${floor.version} ${originOf(before)}`
      : `no version (gone as of version ${floor.version}) ${originOf(before)}`;
  const isPast = read.outcome === "seen" && before.outcome === "absent";
  return {
    promise: isPast ? "P4" : read.from === "cache" ? "P7" : read.outcome === "absent" ? "P10" : "P3",
    sentence: `${replica} answered ${wrong} of ${id} ${originOf(read)} to ${client} at ${at(end)}, after it had answered ${earlier} to ${before.client} at ${at(before.end)}`,
    operations: [before, read],
  };
}

/** The version was seen although the replica must not have the entity at this version. */
function resurrected(read: ReadOperation, timeline: Timeline): Violation[] {
  const { replica, id, outcome, version, client, end } = read;
  if (outcome !== "seen" || version === undefined || !timeline.isRemoval(replica, id, version)) return [];
  const isDelete = timeline.at(id, version)?.document === undefined;
  const why = isDelete ? "which is its delete" : "which does not belong to this replica";
  const sentence = `${replica} answered version ${version} of ${id} ${originOf(read)} to ${client} at ${at(end)}, ${why}`;
  return [{ promise: isDelete ? "P4" : "P5", sentence, operations: [read] }];
}

function otherContent(read: ReadOperation, timeline: Timeline): Violation[] {
  const { replica, id, version, document, client, end } = read;
  const written = version === undefined ? undefined : timeline.at(id, version)?.document;
  if (!document || !written) return [];
  const members = copies[replica]!.members.filter(
    (member) => !Bun.deepEquals(document[member], memberOf(written, member)),
  );
  if (members.length === 0) return [];
  const [member] = members;
  const sentence = `${replica} answered version ${version} of ${id} ${originOf(read)} to ${client} at ${at(end)} with ${member} ${JSON.stringify(document[member!])}, and products.events has ${JSON.stringify(memberOf(written, member!))} at this version`;
  return [{ promise: read.from === "cache" ? "P7" : "P3", sentence, operations: [read] }];
}

/** A member of a replica's document, from the source's document. */
const memberOf = (written: Readonly<Record<string, unknown>>, member: string): unknown =>
  member === "inStock" ? (written.stock as number) > 0 : written[member];

/** What later reads must not answer below. An absent entity was removed at one of its versions, at the first for sure. */
function floorOf(read: ReadOperation, floor: Floor | undefined, timeline: Timeline): Floor | undefined {
  const { outcome, version, end, replica, id } = read;
  if (outcome === "seen") return { at: end, version: version ?? 0, because: read };
  if (!floor) return undefined;
  const removed = timeline.removedFrom(replica, id, floor.version);
  return removed === undefined ? undefined : { at: end, version: removed, because: read };
}
