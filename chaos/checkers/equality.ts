/** P11: all copies are equal in the end, and `lockstep verify` says the same. */
import type { Checker } from "../checker.ts";
import { differencesOf } from "../rest/copies.ts";

/** Compares the copies row by row. */
export const equality: Checker = {
  name: "equality",
  promises: ["P1", "P11"],
  proves:
    "After the run each replica has exactly the rows and members of the source that belong to it, and `lockstep verify` " +
    "agrees.",
  cannotSee: "Differences that healed before the end, and private members, which no replica has.",
  check: ({ atRest }) => {
    const differences = [...atRest.expected].flatMap(([replica, expected]) =>
      differencesOf(replica, expected, atRest.actual.get(replica) ?? []),
    );
    const found = differences
      .slice(0, 20)
      .map((what) => ({ promise: "P1", sentence: `At rest, ${what}`, operations: [] }));
    if (differences.length === 0 && !atRest.verify.equal)
      found.push({
        promise: "P11",
        sentence: `All rows are equal, but lockstep verify says otherwise: ${atRest.verify.text}`,
        operations: [],
      });
    if (differences.length > 0 && atRest.verify.equal)
      found.push({
        promise: "P11",
        sentence: `lockstep verify says that all is equal, but ${differences[0]}`,
        operations: [],
      });
    return found;
  },
};
