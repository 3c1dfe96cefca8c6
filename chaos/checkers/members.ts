/** P5: a replica answers with exactly its own members. */
import type { Checker } from "../checker.ts";
import { copies } from "../rest/copies.ts";
import { at } from "./timeline.ts";

/** Compares the members of each document with those of its replica. */
export const members: Checker = {
  name: "members",
  promises: ["P5"],
  proves: "Each document that a replica answers has exactly the JSON members of this replica, and matches its filter.",
  cannotSee: "Members in a replica's tables that its HTTP API leaves out.",
  check: ({ operations }) =>
    operations.flatMap((read) => {
      if (read.kind !== "read" || !read.document) return [];
      const { replica, id, version, document, client, end } = read;
      const copy = copies[replica]!;
      const own = Object.keys(document).sort();
      const what = `${replica} answered version ${version} of ${id} to ${client} at ${at(end)}`;
      if (!Bun.deepEquals(own, copy.members)) {
        const odd = [...own.filter((m) => !copy.members.includes(m)), ...copy.members.filter((m) => !own.includes(m))];
        const sentence = `${what} with other members than its own: ${odd.join(", ")}`;
        return [{ promise: "P5", sentence, operations: [read] }];
      }
      if (copy.has(document)) return [];
      const sentence = `${what} with the status ${JSON.stringify(document.status)}, which its filter excludes`;
      return [{ promise: "P5", sentence, operations: [read] }];
    }),
};
