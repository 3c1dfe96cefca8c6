/** One run: clients and faults for some seconds, then quiet, then the verdict. */
import { sleepUnlessAborted } from "../platform/async/sleep.ts";
import type { Run } from "./checker.ts";
import { type FoundViolation, judge } from "./checkers/index.ts";
import { type Clients, startClients } from "./clients/index.ts";
import type { Fault } from "./fault.ts";
import { playSchedule } from "./inject.ts";
import { Observer } from "./observe.ts";
import { productOf } from "./product.ts";
import { seededRandom } from "./random.ts";
import { readAtRest, readOffsets } from "./rest/at-rest.ts";
import { planFaults, type ScheduledFault } from "./schedule.ts";
import type { System, Verification } from "./system.ts";

/** How a run is carried out. */
export interface RunOptions {
  readonly system: System;
  readonly seed: number;
  readonly seconds: number;
  /** Writes per second. */
  readonly rate: number;
  readonly faults: readonly Fault[];
  readonly print: (line: string) => void;
  /** Aborted to end the run: all faults are ended before it rejects. */
  readonly signal: AbortSignal;
}

/** A finished run. */
export interface RunResult {
  readonly seed: number;
  readonly schedule: readonly ScheduledFault[];
  readonly run: Run;
  readonly violations: readonly FoundViolation[];
}

/** Longest wait for equal copies, in milliseconds. Later than 30 s is a violation. */
const IN_STEP_TIMEOUT_MS = 90_000;
/** Longest wait for a status without conditions, in milliseconds. Later than 30 s after the last fault is a violation. */
const CALM_TIMEOUT_MS = 45_000;
/** Verifications, before one that could not read a copy counts. */
const MAX_VERIFIES = 3;
const PROGRESS_MS = 10_000;

/** The faults of a seed in a system. Pure. */
export function scheduleOf({
  system,
  seed,
  seconds,
  faults,
}: Pick<RunOptions, "system" | "seed" | "seconds" | "faults">) {
  const schedulable = faults.map((fault) => ({ ...fault, subjects: fault.subjects(system) }));
  return planFaults(seededRandom(String(seed)).fork("schedule"), seconds * 1_000, schedulable);
}

/**
 * Carries out a run and judges it.
 *
 * @throws {Error} when the run could not be judged: a fault did not end, or a part of the system does not respond in
 * the end.
 */
export async function runChaos(options: RunOptions): Promise<RunResult> {
  const { system, seed, seconds, rate, faults, signal } = options;
  const schedule = scheduleOf(options);
  await using observer = await Observer.connect(system);
  const { source, replicas, log } = observer;
  const entity = productOf(system.project);
  const from = await readOffsets(log, entity);
  const startedAt = performance.now();
  const now = () => Math.round(performance.now() - startedAt);
  const print = (line: string) => options.print(`${(now() / 1000).toFixed(1).padStart(6)} s  ${line}`);
  const random = seededRandom(String(seed));
  const watching = new AbortController();
  const watched = observer.watch(now, watching.signal);
  const clients = startClients({ system, random: random.fork("clients"), rate, now });
  const progress = setInterval(() => print(countsOf(clients)), PROGRESS_MS);
  try {
    const [injected] = await Promise.all([
      playSchedule(schedule, { system, faults, random: random.fork("faults"), ids: clients.ids, now, print, signal }),
      sleepUnlessAborted(seconds * 1_000, signal),
    ]);
    await clients.stopWriters();
    const quietAt = now();
    const differing = await observer.untilInStep(IN_STEP_TIMEOUT_MS, signal);
    const inStepAt = differing.length === 0 ? now() : undefined;
    const verify = await verifyFor(system);
    await observer.untilCalm(quietAt, CALM_TIMEOUT_MS, signal);
    await clients.stopReaders();
    await clients.readOnceMore(signal);
    watching.abort();
    const atRest = { ...(await readAtRest({ entity, source, replicas, log }, from)), verify };
    const { operations } = clients;
    await watched;
    const { statuses, rowCounts } = observer;
    const run: Run = { system, operations, ...injected, statuses, rowCounts, quietAt, inStepAt, atRest };
    signal.throwIfAborted();
    return { seed, schedule, run, violations: judge(run) };
  } finally {
    clearInterval(progress);
    watching.abort();
    await Promise.all([clients.stopWriters(), clients.stopReaders()]).catch(() => {});
  }
}

/** Verifies again while a copy could not be read: a busy machine may take longer than the verb waits for a connection. */
async function verifyFor(system: System): Promise<Verification> {
  for (let tries = 1; ; tries++) {
    const verification = await system.verify();
    if (verification.verdict !== "unknown" || tries === MAX_VERIFIES) return verification;
  }
}

function countsOf({ operations }: Pick<Clients, "operations">): string {
  const writes = operations.filter(({ kind }) => kind !== "read");
  const committed = writes.filter(({ outcome }) => outcome === "committed").length;
  const unknown = writes.filter(({ outcome }) => outcome === "unknown").length;
  return `${committed} writes committed, ${unknown} unknown, ${operations.length - writes.length} reads`;
}
