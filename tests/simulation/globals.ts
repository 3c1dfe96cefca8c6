/**
 * Replaces the clocks, timers and random numbers of this operating-system process by those of a world. Import it before
 * any module of the product, and only in a process that does nothing else.
 */
import { createRequire } from "node:module";
import type { SimulatedEvent, World } from "./world.ts";

/** Time of day at the start of each run, in milliseconds since 1970: 2026-01-01. */
export const START_MS = 1_767_225_600_000;

let world: World | undefined;

const inWorld = (): World => {
  if (!world) throw new Error("no simulation runs: here, only code in a simulation may use timers and chance");
  return world;
};

const startTimer = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): SimulatedEvent =>
  inWorld().schedule(Math.max(1, ms), inWorld().current, () => run(...args));

/** Its event changes with each round, so the timer is an object of its own. */
class Interval {
  private event: SimulatedEvent;

  constructor(
    private readonly run: () => void,
    private readonly ms: number,
  ) {
    this.event = this.next();
  }

  cancel(): void {
    this.event.run = undefined;
  }

  private next(): SimulatedEvent {
    return startTimer(() => {
      this.event = this.next();
      this.run();
    }, this.ms);
  }
}

const stopTimer = (timer: SimulatedEvent | Interval | undefined): void => {
  if (timer instanceof Interval) timer.cancel();
  else if (timer) timer.run = undefined;
};

async function delay(ms: number, value?: unknown, options: { signal?: AbortSignal } = {}): Promise<unknown> {
  const ended = Promise.withResolvers<unknown>();
  const timer = startTimer(() => ended.resolve(value), ms);
  options.signal?.addEventListener("abort", () => {
    stopTimer(timer);
    ended.reject(options.signal!.reason);
  });
  return ended.promise;
}

const realNow = Date.now.bind(Date);
const realPerformanceNow = performance.now.bind(performance);

/** Runs in the next turn of the real event loop. */
export const realSetImmediate = setImmediate;

/** Milliseconds of the real clock, for measurements. */
export const realMs = (): number => realPerformanceNow();

const replacements: readonly (readonly [target: object, name: string, value: unknown])[] = [
  [globalThis, "setTimeout", startTimer],
  [globalThis, "setImmediate", (run: () => void) => startTimer(run, 0)],
  [globalThis, "setInterval", (run: () => void, ms: number) => new Interval(run, ms)],
  [globalThis, "clearTimeout", stopTimer],
  [globalThis, "clearInterval", stopTimer],
  [createRequire(import.meta.url)("node:timers/promises"), "setTimeout", delay],
  [Date, "now", () => (world ? START_MS + Math.floor(world.now) : realNow())],
  [performance, "now", () => world?.now ?? realPerformanceNow()],
  [Math, "random", () => inWorld().random.number()],
  [crypto, "randomUUID", () => inWorld().random.uuid()],
];
for (const [target, name, value] of replacements)
  Object.defineProperty(target, name, { value, writable: true, configurable: true });

/** Runs `work` with the world's time and chance. */
export function inside<T>(simulated: World, work: () => T): T {
  world = simulated;
  try {
    return work();
  } finally {
    world = undefined;
  }
}
