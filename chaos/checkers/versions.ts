/** P1 and P2 at the source: each committed write has a version of its own, and a condition holds when it is written. */
import type { Checker, Violation } from "../checker.ts";
import type { WriteOperation } from "../history.ts";
import { at } from "./timeline.ts";

/** Compares the versions of answers. */
export const versions: Checker = {
  name: "versions",
  promises: ["P1", "P2"],
  proves: "No two writes got the same version of an entity, and a write with `If-Match` got the next version.",
  cannotSee: "Writes without an answer; the checker `acknowledged` finds them by their content.",
  check: ({ operations }) => {
    const found: Violation[] = [];
    const owners = new Map<string, WriteOperation>();
    for (const write of operations) {
      if (write.kind === "read" || write.outcome !== "committed" || !write.id || write.version === undefined) continue;
      const { id, version, client, end, requires, key } = write;
      const owner = owners.get(`${id} ${version}`);
      if (owner && !(key !== undefined && owner.key === key))
        found.push({
          promise: "P1",
          sentence: `Version ${version} of ${id} was acknowledged to ${owner.client} at ${at(owner.end)} and to ${client} at ${at(end)}`,
          operations: [owner, write],
        });
      if (requires !== undefined && version !== requires + 1)
        found.push({
          promise: "P1",
          sentence: `A write of ${id} that required version ${requires} was acknowledged at version ${version} to ${client} at ${at(end)}`,
          operations: [write],
        });
      owners.set(`${id} ${version}`, write);
    }
    return found;
  },
};
