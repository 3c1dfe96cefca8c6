/** P14: a fault that lasts is shown, and nothing is shown when it is over. */
import { type Checker, lastingConditions, type Run, type Violation } from "../checker.ts";
import { at } from "./timeline.ts";

/** A fault at least this long must be shown, in milliseconds. */
const SHOWN_AFTER_MS = 10_000;
/** Time after the end of a fault in which a status that began before is still read, in milliseconds. */
const READING_MS = 5_000;
/** All copies are equal and no condition is present this long after the last fault, in milliseconds. */
export const CALM_AFTER_MS = 30_000;

/** Compares the conditions that `lockstep status` showed with the faults. */
export const health: Checker = {
  name: "health",
  promises: ["P14"],
  proves:
    "`lockstep status` showed each fault of ten seconds or more that stops something. Within 30 s of the last fault it " +
    "showed nothing any more, and all copies were equal.",
  cannotSee: "Whether a condition named the right place, and faults that are shorter.",
  check: (run) => [...hidden(run), ...late(run)],
};

const violation = (sentence: string): Violation => ({ promise: "P14", sentence, operations: [] });

const hidden = ({ faults, statuses }: Run): Violation[] =>
  faults.flatMap(({ fault, subject, start, end, shows }) => {
    if (!shows || end - start < SHOWN_AFTER_MS) return [];
    const during = statuses.filter(({ at: time }) => time >= start && time <= end + READING_MS);
    if (during.some(({ conditions }) => conditions.some((name) => shows.includes(name)))) return [];
    const shown = [...new Set(during.flatMap(({ conditions }) => conditions))];
    return [
      violation(
        `${fault} of ${subject} lasted from ${at(start)} to ${at(end)}, and lockstep status showed none of ${shows.join(", ")}, but ${shown.join(", ") || "nothing"}`,
      ),
    ];
  });

function late({ statuses, quietAt, inStepAt }: Run): Violation[] {
  const limit = quietAt + CALM_AFTER_MS;
  const isCalm = (conditions: readonly string[]) => conditions.every((name) => lastingConditions.includes(name));
  const found: Violation[] = [];
  if (inStepAt === undefined || inStepAt > limit)
    found.push(
      violation(
        `The copies were ${inStepAt === undefined ? "never equal" : `equal only at ${at(inStepAt)}`}, and the last fault ended before ${at(quietAt)}`,
      ),
    );
  if (
    !statuses.some(({ at: time, conditions }) => time >= quietAt && time <= limit + READING_MS && isCalm(conditions))
  ) {
    const last = statuses.filter(({ at: time }) => time <= limit + READING_MS).at(-1);
    found.push(
      violation(
        `The last fault ended before ${at(quietAt)}, and lockstep status still showed ${last?.conditions.join(", ") ?? "no answer"} 30 s later`,
      ),
    );
  }
  return found;
}
