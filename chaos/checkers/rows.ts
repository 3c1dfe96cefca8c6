/** P10: no replica is emptied, also not for a moment. */
import type { Checker } from "../checker.ts";
import { at } from "./timeline.ts";

/** Rows that a replica must have before a loss of half of them counts. */
const MIN_ROWS = 20;

/** Compares the numbers of rows over time. */
export const rows: Checker = {
  name: "rows",
  promises: ["P10"],
  proves: "No replica lost half of its rows from one look to the next, twice a second, while the source kept its own.",
  cannotSee: "Fewer lost rows that are back before the end, unless a client reads one of them.",
  check: ({ rowCounts }) =>
    [...Map.groupBy(rowCounts, ({ replica }) => replica).values()].flatMap((ofReplica) =>
      ofReplica.flatMap((now, i) => {
        const before = ofReplica[i - 1];
        if (!before || before.actual < MIN_ROWS || now.actual * 2 >= before.actual) return [];
        if (now.expected * 2 < before.expected) return [];
        const sentence = `${now.replica} had ${before.actual} rows at ${at(before.at)} and ${now.actual} at ${at(now.at)}, while ${now.expected} rows of the source belong to it`;
        return [{ promise: "P10", sentence, operations: [] }];
      }),
    ),
};
