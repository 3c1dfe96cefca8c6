/** P11: all copies are equal in the end, reads answer what they contain, and `lockstep verify` says the same. */
import type { Checker, Run, Violation } from "../checker.ts";
import { differencesOf } from "../rest/copies.ts";
import { faultOf, originOf, readsByEntity } from "./floors.ts";
import { at, Timeline } from "./timeline.ts";

/** Most differences that are reported. */
const MAX_SHOWN = 20;

/** Compares the copies row by row. */
export const equality: Checker = {
  name: "equality",
  promises: ["P1", "P7", "P11"],
  proves:
    "After the run each replica has exactly the rows and members of the source that belong to it, answers no older version " +
    "from cache or database, and `lockstep verify` agrees.",
  cannotSee: "Differences that healed before the end, and private members, which no replica has.",
  check: (run) => {
    const { atRest } = run;
    const differences = [...atRest.expected].flatMap(([replica, expected]) =>
      differencesOf(replica, expected, atRest.actual.get(replica) ?? []),
    );
    const violation = (promise: string, sentence: string): Violation => ({ promise, sentence, operations: [] });
    const found = differences.slice(0, MAX_SHOWN).map((what) => violation("P1", `At rest, ${what}`));
    if (differences.length === 0 && atRest.verify.verdict !== "equal")
      found.push(violation("P11", `All rows are equal, but lockstep verify says otherwise: ${atRest.verify.text}`));
    if (differences.length > 0 && atRest.verify.verdict === "equal")
      found.push(violation("P11", `lockstep verify says that all is equal, but ${differences[0]}`));
    return [...found, ...staleAtRest(run)];
  },
};

/** Reads that began when the replica's database already had the last version. */
function staleAtRest(run: Run): Violation[] {
  const { operations, inStepAt } = run;
  if (inStepAt === undefined) return [];
  const timeline = new Timeline(run);
  return [...readsByEntity(operations).values()].flat().flatMap((read) => {
    const { replica, id, start, end, client } = read;
    const last = timeline.last(id);
    const wrong = start > inStepAt ? faultOf(read, last, timeline) : undefined;
    if (!wrong) return [];
    const sentence = `${replica} answered ${wrong} of ${id} ${originOf(read)} to ${client} at ${at(end)}, although its database had version ${last} at ${at(inStepAt)}`;
    return [{ promise: "P7", sentence, operations: [read] }];
  });
}
