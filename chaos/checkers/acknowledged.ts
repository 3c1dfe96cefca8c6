/** P1: every acknowledged write is there, wholly and once. A write without an answer is wholly there or nowhere. */
import type { Checker, Run, Violation } from "../checker.ts";
import type { WriteOperation } from "../history.ts";
import { at, hasLost, Timeline } from "./timeline.ts";

const isWrite = (operation: Run["operations"][number]): operation is WriteOperation => operation.kind !== "read";

/** Compares each write with the versions of its entity. */
export const acknowledged: Checker = {
  name: "acknowledged",
  promises: ["P1", "P2"],
  proves:
    "The source has each acknowledged write at the version of its answer, with all members that it set, and once. A write " +
    "that was refused changed nothing. A write without an answer was made wholly and once, or not at all.",
  cannotSee: "A lost delete of an entity that was written again later; the checker `topics` finds its missing version.",
  check: (run) => {
    const timeline = new Timeline(run);
    const writes = run.operations.filter(isWrite);
    // A topic that lost events cannot show what was written.
    const canSeeEvents = !hasLost(run.faults, "products.events");
    const byMark = versionsByMark(run);
    return [
      ...writes.flatMap((write) => lost(write, timeline)),
      ...(canSeeEvents
        ? attemptsByMark(writes).flatMap((attempts) => misplaced(attempts, madeBy(attempts, byMark)))
        : []),
      ...(canSeeEvents ? writes.flatMap((write) => otherContent(write, timeline)) : []),
    ];
  },
};

function lost(write: WriteOperation, timeline: Timeline): Violation[] {
  const { id, version, outcome, client, end, kind } = write;
  if (outcome !== "committed" || !id || version === undefined || timeline.last(id) >= version) return [];
  const sentence = `The ${kind} of ${id} by ${client} was acknowledged at version ${version} at ${at(end)}, but the source ends at version ${timeline.last(id)}`;
  return [{ promise: "P1", sentence, operations: [write] }];
}

/** An entity and one of its versions. */
interface Made {
  readonly id: string;
  readonly version: number;
  readonly document: Readonly<Record<string, unknown>>;
}

/** The versions by the `name` that a write set. */
function versionsByMark(run: Run): ReadonlyMap<string, readonly Made[]> {
  const byMark = new Map<string, Made[]>();
  const seen = new Set<string>();
  for (const { key: id, version, document } of run.atRest.events) {
    // Resends and planted repetitions have a version that was there before.
    if (!document || seen.has(`${id} ${version}`)) continue;
    seen.add(`${id} ${version}`);
    const mark = String(document.name);
    byMark.set(mark, [...(byMark.get(mark) ?? []), { id, version, document }]);
  }
  return byMark;
}

const markOf = ({ sets }: WriteOperation): string => String(sets?.name);

/** Writes grouped by their mark: the attempts of one write. */
const attemptsByMark = (writes: readonly WriteOperation[]): WriteOperation[][] => [
  ...Map.groupBy(
    writes.filter(({ sets }) => sets !== undefined),
    markOf,
  ).values(),
];

const madeBy = ([first]: readonly WriteOperation[], byMark: ReadonlyMap<string, readonly Made[]>): readonly Made[] =>
  byMark.get(markOf(first!)) ?? [];

function misplaced(attempts: readonly WriteOperation[], versions: readonly Made[]): Violation[] {
  const { kind, client, start } = attempts[0]!;
  const what = `The ${kind} by ${client} at ${at(start)}`;
  const where = versions.map(({ id, version }) => `version ${version} of ${id}`).join(" and ");
  const violation = (promise: string, sentence: string) => [{ promise, sentence, operations: [...attempts] }];
  if (versions.length > 1) return violation("P2", `${what} was made ${versions.length} times: ${where}`);
  const [only] = versions;
  const isRefused = attempts.every(({ outcome }) => outcome === "rejected");
  if (only && isRefused) return violation("P14", `${what} was refused, but made ${where}`);
  const incomplete = only && attempts.flatMap(({ sets }) => differing(sets!, only.document));
  if (only && incomplete?.length)
    return violation("P1", `${what} made ${where} with other values of ${[...new Set(incomplete)].join(", ")}`);
  return [];
}

const differing = (sets: Readonly<Record<string, unknown>>, document: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(sets).filter((member) => !Bun.deepEquals(sets[member], document[member]));

/** The event of an acknowledged write says something else, or is missing. */
function otherContent(write: WriteOperation, timeline: Timeline): Violation[] {
  const { id, version, outcome, client, end, kind, sets } = write;
  if (outcome !== "committed" || !id || version === undefined || timeline.last(id) < version) return [];
  const event = timeline.at(id, version);
  const what = `The ${kind} of ${id} by ${client} was acknowledged at version ${version} at ${at(end)}`;
  if (!event)
    return [{ promise: "P1", sentence: `${what}, but products.events has no such version`, operations: [write] }];
  const isOther = kind === "delete" ? event.document !== undefined : event.document?.name !== sets?.name;
  if (!isOther) return [];
  const says = event.document ? `the name ${JSON.stringify(event.document.name)}` : "a delete";
  return [{ promise: "P1", sentence: `${what}, but products.events has ${says} at this version`, operations: [write] }];
}
