/** Which faults happen when. Pure: one seed, one list of faults and one system give one schedule. */
import type { Random } from "./random.ts";

/** A kind of fault that can be scheduled. */
export interface SchedulableFault {
  readonly name: string;
  readonly lastsMs: readonly [min: number, max: number];
  /** What it can act on here; at least one. */
  readonly subjects: readonly string[];
}

/** One fault of a schedule. Times are milliseconds since the start of the run. */
export interface ScheduledFault {
  readonly fault: string;
  readonly subject: string;
  readonly start: number;
  /** 0: the fault is one moment. */
  readonly durationMs: number;
}

/** No fault starts before this time: the clients have to create some entities first. */
const FIRST_START_MS = 2_000;
/** Time at the end of a run without a fault. */
const REST_MS = 1_000;
/** Time that a subject is left alone after a fault, so that it can start again. */
const RECOVERY_MS = 3_000;
/** Most faults that are active at one time. */
const MAX_ACTIVE = 3;
/** Time of a run for each fault beyond the third. */
const MS_PER_FAULT = 5_000;
const MIN_FAULTS = 3;
const MAX_FAULTS = 8;
const ATTEMPTS = 200;

/**
 * Chooses 3 to 8 faults, in order of their start: fewer in a short run. A subject that a fault holds is not hit again
 * until it has recovered. The last fault ends a second before the run does.
 *
 * @param faults in a stable order. Those that do not fit into the run are left out.
 * @returns an empty list when no fault fits.
 */
export function planFaults(random: Random, durationMs: number, faults: readonly SchedulableFault[]): ScheduledFault[] {
  const window = durationMs - FIRST_START_MS - REST_MS;
  const fitting = faults.filter(({ lastsMs, subjects }) => lastsMs[0] <= window && subjects.length > 0);
  if (fitting.length === 0) return [];
  const most = Math.min(MAX_FAULTS, Math.max(MIN_FAULTS, Math.floor(window / MS_PER_FAULT)));
  const count = random.int(MIN_FAULTS, most);
  const planned: ScheduledFault[] = [];
  for (let attempt = 0; planned.length < count && attempt < ATTEMPTS; attempt++) {
    const { name, lastsMs, subjects } = random.pick(fitting);
    const duration = random.int(lastsMs[0], Math.min(lastsMs[1], window));
    const start = FIRST_START_MS + random.int(0, window - duration);
    const candidate = { fault: name, subject: random.pick(subjects), start, durationMs: duration };
    if (fits(candidate, planned)) planned.push(candidate);
  }
  return planned.sort((a, b) => a.start - b.start);
}

function fits(candidate: ScheduledFault, planned: readonly ScheduledFault[]): boolean {
  const concurrent = planned.filter((other) => overlaps(candidate, other));
  return concurrent.length < MAX_ACTIVE && !concurrent.some(({ subject }) => subject === candidate.subject);
}

const overlaps = (a: ScheduledFault, b: ScheduledFault): boolean =>
  a.start < b.start + b.durationMs + RECOVERY_MS && b.start < a.start + a.durationMs + RECOVERY_MS;
