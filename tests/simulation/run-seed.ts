/** One run: a seed makes a system and a schedule of writes and faults; then all faults end, and the promises are judged. */
import type { EntityId } from "../../contracts/entity/document.ts";
import { checkEvents, checkOutputs, checkVersions } from "./check-log.ts";
import { replay, write } from "./clients.ts";
import { inside } from "./globals.ts";
import { checkReplica, Reads } from "./reads.ts";
import type { RedisServer } from "./redis-server.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { ReplicaServers } from "./servers.ts";
import { type Layout, System } from "./system.ts";
import { type FaultRates, type TraceLine, World } from "./world.ts";

/** After the faults, everything must be in step within this time. All times are virtual milliseconds. */
const IN_STEP_MS = 30_000;
const CHECK_MS = 250;
/** Outages of a database. An applier retries a batch for 4 s; then the log delivers it again. */
const OUTAGES_MS = [300, 2_000, 6_000];
/** Delays of the reads that follow a write. A change reaches a replica after some ten. */
const READ_DELAYS_MS = [20, 60, 250, 1_500];
/** Late requests have arrived by then. */
const SETTLE_MS = 2_700;

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
      ...replicasOf(random),
      isStatic: random.chance(0.5),
    });
    system.start();
    disturb(system);
    heal(system);
    return { seed, violations: world.violations, events: world.events, ids: system.ids, trace: world.lines ?? [] };
  });
}

/** A cache takes most of a run's time, so not all runs have one. */
function replicasOf(random: SeededRandom): Pick<Layout, "replicas" | "cached"> {
  if (random.chance(0.4)) return { replicas: { catalog: random.chance(0.7) ? 2 : 1 }, cached: ["catalog"] };
  const storefront = random.chance(0.3) ? 2 : 1;
  return { replicas: random.chance(0.5) ? { storefront } : { catalog: 1, storefront }, cached: [] };
}

/** Writes while things go wrong. */
function disturb(system: System): void {
  const { world } = system;
  const { random } = world;
  world.rates = ratesOf(random);
  const activeMs = random.int(800, 6_000);
  const often = (count: number, act: () => void) => {
    for (let i = 0; i < count; i++) world.schedule(random.number() * activeMs, world.outside, act);
  };
  const readers = system.replicas.flatMap((replica) => disturbReplica(system, replica, often));
  const readSoon = (ids: readonly EntityId[]) => {
    for (const reads of readers)
      for (const id of ids)
        for (let i = random.int(0, 3); i > 0; i--)
          world.schedule(random.pick(READ_DELAYS_MS) * random.number(), world.outside, () => reads.start(id));
  };
  often(random.int(3, 14), () => write(system, readSoon));
  // Several batches of the relay, one right after the other.
  if (random.chance(0.5))
    often(1, () => {
      for (let i = 0; i < 8; i++) world.schedule(3 * i, world.outside, () => write(system, readSoon));
    });
  often(random.int(0, 4), () => replay(system));
  world.run(activeMs, () => false);
}

/** Stops the servers of a replica. @returns its readers; none for a database that goes back in time. */
function disturbReplica(
  system: System,
  { redis, database, ...replica }: ReplicaServers,
  often: (count: number, act: () => void) => void,
): Reads[] {
  const { world } = system;
  const { random } = world;
  if (random.chance(0.5)) often(1, () => database.stop(random.pick(OUTAGES_MS) * (0.5 + random.number())));
  if (!redis && random.chance(0.5)) {
    often(3, () => database.save());
    often(1, () => database.restore());
    return [];
  }
  const reads = new Reads(system, { redis, database, ...replica });
  often(random.int(0, 8), () => reads.start(random.pick(system.ids)));
  if (redis) disturbRedis(system, redis, often, () => reads.start(random.pick(system.ids)));
  return [reads];
}

/** Redis loses data, and many reads follow: a cache that lies does so then. */
function disturbRedis(
  { world }: System,
  redis: RedisServer,
  often: (count: number, act: () => void) => void,
  read: () => void,
): void {
  const { random } = world;
  const faults = {
    evict: () => redis.evict((keys) => random.pick(keys)),
    flush: () => redis.flush(),
    save: () => redis.save(),
    restart: () => redis.restart(),
  };
  const cause = (name: keyof typeof faults) => {
    world.trace(world.outside, () => `Redis: ${name}`);
    faults[name]();
    for (let i = name === "save" ? 0 : random.int(0, 8); i > 0; i--)
      world.schedule(random.pick([100, 800]) * random.number(), world.outside, read);
  };
  for (const name of ["evict", "evict", "flush", "restart"] as const)
    if (random.chance(0.25)) often(1, () => cause(name));
  if (!random.chance(0.3)) return;
  often(1, () => {
    cause("save");
    world.schedule(random.int(50, 1_000), world.outside, () => cause("restart"));
  });
}

/** A seed in five has no faults of one kind, so that the others show on their own. */
function ratesOf(random: SeededRandom): FaultRates {
  return {
    crash: random.pick([0, 0.004, 0.012, 0.03]),
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
  return checkReplicas(system) ?? checkEvents(system) ?? checkOutputs(system) ?? checkVersions(system);
}

function checkReplicas(system: System): string | undefined {
  for (const replica of system.replicas) {
    const problem = checkReplica(system, replica);
    if (problem) return problem;
  }
  return undefined;
}
