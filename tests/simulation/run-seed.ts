/** One run: a seed makes a system and a schedule of writes and faults; then all faults end, and the promises are judged. */
import { checkEvents, checkOutputs, checkVersions } from "./check-log.ts";
import { replay, write } from "./clients.ts";
import { inside } from "./globals.ts";
import { System } from "./system.ts";
import { type FaultRates, type TraceLine, World } from "./world.ts";

/** After the faults, everything must be in step within this time. All times are virtual milliseconds. */
const IN_STEP_MS = 30_000;
const CHECK_MS = 100;
/** Late requests have arrived by then. */
const SETTLE_MS = 4_500;

/** What came of one run. */
export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly events: number;
  /** Ids of the products. */
  readonly ids: readonly string[];
  readonly trace: readonly TraceLine[];
}

/** @param isTraced keeps a trace, which takes several times as long. */
export function runSeed(seed: number, isTraced = false): RunResult {
  const world = new World(seed);
  if (isTraced) world.lines = [];
  return inside(world, () => {
    const { random } = world;
    const system = new System(world, {
      partitions: random.int(1, 2),
      relays: random.chance(0.3) ? 2 : 1,
      streams: random.chance(0.6) ? 2 : 1,
      isStatic: random.chance(0.5),
    });
    system.start();
    disturb(system);
    heal(system);
    return { seed, violations: world.violations, events: world.events, ids: system.ids, trace: world.lines ?? [] };
  });
}

/** Writes while things go wrong. */
function disturb(system: System): void {
  const { world } = system;
  const { random } = world;
  world.rates = ratesOf(system);
  const activeMs = random.int(800, 6_000);
  const writes = random.int(3, 18);
  for (let i = 0; i < writes; i++) world.schedule(random.number() * activeMs, world.outside, () => write(system));
  const replays = random.int(0, 4);
  for (let i = 0; i < replays; i++) world.schedule(random.number() * activeMs, world.outside, () => replay(system));
  world.run(activeMs, () => false);
}

/** A seed in five has no faults of one kind, so that the others show on their own. */
function ratesOf({ world: { random } }: System): FaultRates {
  return {
    crash: random.pick([0, 0.002, 0.006, 0.015]),
    pause: random.pick([0, 0.001, 0.004]),
    request: random.pick([0, 0.01, 0.04, 0.12]),
  };
}

/** Ends all faults, waits until everything is in step, and judges the rest after that. */
function heal(system: System): void {
  const { world } = system;
  system.heal();
  const until = world.now + IN_STEP_MS;
  let problem: string | undefined = "nothing was checked";
  while (problem && world.now < until) {
    world.run(world.now + CHECK_MS, () => false);
    problem = differenceOf(system);
  }
  if (problem) {
    world.violate(`${problem}, ${IN_STEP_MS / 1_000} s after the last fault`);
    return;
  }
  world.run(world.now + SETTLE_MS, () => false);
  const after = differenceOf(system);
  if (after) world.violate(after);
}

function differenceOf(system: System): string | undefined {
  const { source } = system;
  if (source.isWriting || source.outbox.size > 0) return `P1: the outbox still has ${source.outbox.size} changes`;
  return checkEvents(system) ?? checkOutputs(system) ?? checkVersions(system);
}
