/** P2, P3 and P5 in the topics: each version once, none missing, in order, and ending where the source ends. */
import { eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import type { Checker, Run, Violation } from "../checker.ts";
import { productOf } from "../product.ts";
import { readings, type TopicReadings } from "../rest/topic-readings.ts";
import { genuine, hasLost, Timeline } from "./timeline.ts";

const eventsOf = ({ system }: Run): string => eventsTopic(productOf(system.project)).name;

/** Reads the events topic and each replica's topic from the start of the run. */
export const topics: Checker = {
  name: "topics",
  promises: ["P1", "P2", "P3", "P5"],
  proves:
    "`products.events` has each version of each entity once, without gaps, in order, up to the source's version. Each " +
    "replica's topic has each version once and in order, as a tombstone exactly where the filter excludes it.",
  cannotSee: "Records that a fault deleted from a topic, and those that compaction has removed.",
  check: (run) => [...inEvents(run), ...[...run.atRest.routed.keys()].flatMap((replica) => inRouted(run, replica))],
};

const violation = (promise: string, sentence: string): Violation => ({ promise, sentence, operations: [] });

function inEvents(run: Run): Violation[] {
  const { atRest, faults } = run;
  const events = eventsOf(run);
  const found = readings(genuine(atRest.events, run, events));
  const timeline = new Timeline(run);
  const ends = endsOf(run, events, [...found.newest.keys()], found, timeline);
  const missing = hasLost(faults, events) ? [] : found.missing;
  return [...ends, ...missing.map((what) => violation("P1", `${events} lacks ${what}`)), ...inAny(events, found)];
}

/** A topic must end where the source ends. `lockstep resync` after a loss sends the rows again, and no deleted entities. */
function endsOf(
  run: Run,
  topic: string,
  ids: readonly string[],
  { newest }: TopicReadings,
  timeline: Timeline,
): Violation[] {
  const { atRest, faults } = run;
  const mayLackDeleted = hasLost(faults, topic) || hasLost(faults, eventsOf(run));
  return ids.flatMap((id) => {
    const [version, last] = [newest.get(id)?.version, timeline.last(id)];
    if (version === last || (mayLackDeleted && !atRest.source.has(id))) return [];
    const end = version === undefined ? `${topic} has no version` : `${topic} ends at version ${version}`;
    return [violation("P1", `${end} of ${id}, the source is at version ${last}`)];
  });
}

/** @param sourceOf what the events topic has of a version, for a topic that is made of it. */
const inAny = (
  topic: string,
  { duplicates, outOfOrder }: TopicReadings,
  sourceOf: (what: string) => string = () => "",
): Violation[] => [
  ...duplicates.map((what) => violation("P2", `${topic} has ${what} twice${sourceOf(what)}`)),
  ...outOfOrder.map((what) => violation("P3", `${topic} has ${what}`)),
];

function inRouted(run: Run, replica: string): Violation[] {
  const topic = replicaTopic(productOf(run.system.project), replica).name;
  const records = genuine(run.atRest.routed.get(replica) ?? [], run, topic);
  const found = readings(records);
  const timeline = new Timeline(run);
  const leaks = records.flatMap(({ key: id, version, isDelete }) => {
    const isRemoval = timeline.isRemoval(replica, id, version);
    if (isRemoval === undefined || isRemoval === isDelete) return [];
    const sentence = isRemoval
      ? `${topic} has the content of version ${version} of ${id}, which does not belong to ${replica}`
      : `${topic} has a tombstone at version ${version} of ${id}, which belongs to ${replica}`;
    return [violation("P5", sentence)];
  });
  const ends = endsOf(run, topic, timeline.ids(), found, timeline);
  const resends = found.supersededResends.map((what) => violation("P3", `${topic} has ${what}`));
  return [
    ...leaks,
    ...ends,
    ...resends,
    ...inAny(topic, found, (what) => `, and ${eventsOf(run)} ${timesIn(run, what)}`),
  ];
}

/** How often the events topic has a version, planted records included: once, so the stream itself has doubled it. */
function timesIn({ atRest }: Run, what: string): string {
  const times = atRest.events.filter(({ key, version }) => what === `version ${version} of ${key}`).length;
  return times === 1 ? "has it once" : `has it ${times} times`;
}
