/** Carries out a schedule: causes each fault at its time, and ends it. */
import { sleepUnlessAborted } from "../platform/async/sleep.ts";
import type { InjectedFault } from "./checker.ts";
import type { Fault, PlantedRecord } from "./fault.ts";
import type { Random } from "./random.ts";
import type { ScheduledFault } from "./schedule.ts";
import type { System } from "./system.ts";

/** How {@link playSchedule} works. */
export interface InjectOptions {
  readonly system: System;
  readonly faults: readonly Fault[];
  readonly random: Random;
  readonly ids: () => readonly string[];
  readonly now: () => number;
  readonly print: (line: string) => void;
  /** Aborted to end all faults at once and to cause no further one. */
  readonly signal: AbortSignal;
}

/** What came of a schedule. */
export interface Injected {
  readonly faults: readonly InjectedFault[];
  readonly planted: readonly PlantedRecord[];
}

/**
 * Resolves when the last fault has ended and what it stopped is running again.
 *
 * @throws {Error} when a fault could not be ended, after all others have ended.
 */
export async function playSchedule(schedule: readonly ScheduledFault[], options: InjectOptions): Promise<Injected> {
  const injected: InjectedFault[] = [];
  const planted: PlantedRecord[] = [];
  const played = await Promise.allSettled(
    schedule.map(async (scheduled, i) => {
      const { start, fault: name } = scheduled;
      await sleepUnlessAborted(Math.max(0, start - options.now()), options.signal);
      if (options.signal.aborted) return;
      const fault = options.faults.find((one) => one.name === name)!;
      const done = await playOne(fault, scheduled, i, { ...options, planted: (record) => void planted.push(record) });
      if (done) injected.push(done);
    }),
  );
  const failed = played.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return { faults: injected.sort((a, b) => a.start - b.start), planted };
}

async function playOne(
  fault: Fault,
  { subject, durationMs }: ScheduledFault,
  i: number,
  options: InjectOptions & { readonly planted: (record: PlantedRecord) => void },
): Promise<InjectedFault | undefined> {
  const { system, random, ids, planted, now, print, signal } = options;
  const start = now();
  const what = `${fault.name} of ${subject}`;
  let end: () => Promise<void>;
  try {
    end = await fault.inject({ system, subject, random: random.fork(`fault ${i}`), ids, planted });
  } catch (error) {
    print(`${what} was not possible: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
  print(durationMs > 0 ? `${what} begins, for ${seconds(durationMs)} s` : what);
  await sleepUnlessAborted(durationMs, signal);
  await end();
  print(`${what} has ended`);
  const shows = typeof fault.shows === "function" ? fault.shows(subject) : fault.shows;
  return { fault: fault.name, subject, start, end: now(), ...(shows ? { shows } : {}) };
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);
