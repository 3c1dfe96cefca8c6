/** P7: in any order of events, a read returns at least what PostgreSQL had committed when the read began. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Redis } from "ioredis";
import { type ApplyOutcome, CacheModel } from "../../tests/harness/cache-model.ts";
import type { ProtocolFault } from "../../tests/harness/cache-model-redis.ts";
import { redisUrl } from "../../tests/harness/servers.ts";
import { StepScheduler } from "../../tests/harness/step-scheduler.ts";
import fenceText from "./fence.lua" with { type: "text" };
import fillText from "./fill.lua" with { type: "text" };
import gate from "./gate.lua" with { type: "text" };
import liftText from "./lift.lua" with { type: "text" };
import * as cacheScripts from "./scripts.ts";
import storeText from "./store.lua" with { type: "text" };

let redis: Redis;
beforeAll(async () => {
  redis = new Redis(await redisUrl());
}, 60_000);
afterAll(() => redis.disconnect());

const sha1 = (text: string) => new Bun.CryptoHasher("sha1").update(`${gate}\n${text}`).digest("hex");
const scripts = { fence: sha1(fenceText), fill: sha1(fillText), store: sha1(storeText), lift: sha1(liftText) };

/** Number of generated orders. TEST_RUNS=80000 takes about nine minutes. */
const RUNS = Number(globalThis.process.env.TEST_RUNS ?? 1_000);

const ids = ["a", "b"];
const process = fc.nat(1);
const id = fc.nat(ids.length - 1);

/** One action; all actions run concurrently. */
const actor = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant("apply" as const),
      process,
      id,
      version: fc.integer({ min: 2, max: 6 }),
      deletes: fc.boolean(),
      /** The process dies after the commit. */
      dies: fc.boolean(),
      fate: fc.oneof(
        { weight: 3, arbitrary: fc.constant("committed" as const) },
        { weight: 1, arbitrary: fc.constantFrom("refused" as const, "unknown" as const) },
      ),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ does: fc.constant("read" as const), process, id, times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("tend" as const), process }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constantFrom(
        "flush",
        "evict state",
        "evict entry",
        "evict entry",
        "evict entry",
        "save",
        "restart",
        "cut",
        "heal",
        "hang",
      ),
      process,
      id,
    }),
  },
);
type Actor = typeof actor extends fc.Arbitrary<infer T> ? T : never;

async function act(world: CacheModel, action: Actor): Promise<void> {
  const on = world.processes[action.process]!;
  switch (action.does) {
    case "apply": {
      const { fate, version } = action;
      const document = action.deletes && fate === "committed" ? null : { id: ids[action.id]!, version, fate };
      const applied = await on.applier.apply([{ id: ids[action.id]!, version, document }]).catch((error) => {
        if (fate === "committed") throw error;
      });
      if (!action.dies && applied) await on.cacheWriter.store(applied);
      return;
    }
    case "read":
      for (let i = 0; i < action.times; i++) await world.read(on, ids[action.id]!);
      return;
    case "tend":
      await on.epoch.refresh();
      return on.controller.reconcile();
    case "flush":
      return world.flush();
    case "evict state":
      return world.evict("state");
    case "evict entry":
      return world.evict(ids[action.id]!);
    case "save":
      return world.save();
    case "restart":
      return world.restart();
    case "cut":
    case "heal":
      on.connected = action.does === "heal";
      return;
    case "hang":
      on.hangsNextCommand = true;
      return;
    default:
      action satisfies never;
  }
}

let runs = 0;
async function violations(
  actors: readonly Actor[],
  picks: readonly number[],
  { fault, schemaVersion }: { fault?: ProtocolFault; schemaVersion?: number } = {},
): Promise<string[]> {
  // Every run starts with a first version and the cache on.
  const turns = new StepScheduler(picks);
  const name = `model-${crypto.randomUUID()}-${runs++}`;
  const world = new CacheModel(turns, redis, name, ids, fault, scripts, schemaVersion);
  turns.spawn(async () => {
    for (const { epoch } of world.processes) await epoch.refresh();
    await world.processes[0]!.controller.reconcile();
    for (const { epoch } of world.processes) await epoch.refresh();
    for (const id of ids)
      await act(world, {
        does: "apply",
        process: 0,
        id: ids.indexOf(id),
        version: 1,
        deletes: false,
        dies: false,
        fate: "committed",
      });
    for (const actor of actors) turns.spawn(() => act(world, actor));
  });
  try {
    await turns.runAll();
  } finally {
    await world.flush();
  }
  return world.violations;
}

test("a new epoch removes the fences of the old one, and scripts of the old epoch have no effect any more", async () => {
  const key = `lockstep:{epochs-${crypto.randomUUID()}}`;
  const keys = [`${key}:state`, `${key}:a`];
  const install = (epoch: number) => cacheScripts.install(redis, [keys[0]!], [epoch]);
  const fence = (epoch: number) => cacheScripts.fence(redis, keys, [epoch, "p.1", "2:p.1"]);
  const lease = (epoch: number) => cacheScripts.lease(redis, keys, [epoch, "r.1", 10_000, 1]);
  expect(await fence(1)).toBe("lost");
  expect([await install(1), await fence(1), await lease(1)]).toEqual(["ok", "ok", "fenced"]);
  expect([await install(1), await lease(1)]).toEqual(["ok", "fenced"]);
  expect([await install(2), await lease(2)]).toEqual(["ok", "leased"]);
  expect([await install(1), await fence(1), await lease(1)]).toEqual(["behind", "behind", "behind"]);
  expect(await lease(3)).toBe("lost");
  await redis.del(...keys);
});

/** When to switch to another action. Most steps do not: with a switch at each step, few actions would make progress. */
const schedule = fc.integer({ min: 0, max: 4 }).chain((weight) =>
  fc.array(fc.oneof({ weight, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat(999) }), {
    minLength: 150,
    maxLength: 150,
  }),
);

test("P7: no order of applies, reads, data losses and restarts makes a read return an older version", async () => {
  const program = fc.array(actor, { minLength: 2, maxLength: 20, size: "max" });
  await fc.assert(
    // Both processes have the same schema version, or one of them is upgraded.
    fc.asyncProperty(program, schedule, fc.constantFrom(1, 2), async (actors, picks, schemaVersion) => {
      expect(await violations(actors, picks, { schemaVersion })).toEqual([]);
    }),
    { numRuns: RUNS },
  );
}, 600_000);

describe("each rule of the protocol is needed: without it, some order returns a stale read", () => {
  const on = (process: number, does: "tend" | "flush" | "evict entry" | "save" | "restart" | "cut"): Actor =>
    does === "tend" ? { does, process } : { does, process, id: 0 };
  const apply = (process: number, version: number, fate: ApplyOutcome = "committed"): Actor => ({
    does: "apply",
    process,
    id: 0,
    version,
    deletes: false,
    dies: false,
    fate,
  });
  const read = (process: number): Actor => ({ does: "read", process, id: 0, times: 3 });

  const cases: readonly [ProtocolFault, readonly Actor[]][] = [
    ["does not fence", [apply(0, 2), read(1)]],
    ["fills without a lease", [on(0, "evict entry"), apply(0, 2), read(1), read(0)]],
    ["stores without its fence", [apply(0, 2), apply(1, 3), read(1)]],
    ["applies without waiting for leases", [on(0, "cut"), apply(0, 2), read(1), read(1)]],
    ["commits under any epoch", [apply(0, 2), on(0, "flush"), on(1, "tend"), on(1, "tend"), read(1), read(1)]],
    ["lifts others' fences", [apply(0, 2), apply(1, 3, "refused"), read(1), read(1)]],
    ["lifts what may still be committed", [apply(0, 2, "unknown"), apply(0, 2, "refused"), read(1), read(1), read(0)]],
    ["trusts any server", [on(0, "save"), apply(0, 2), on(0, "restart"), read(1)]],
  ];
  test.each(cases)(
    "when a process %s",
    async (fault, actors) => {
      const result = await fc.check(
        fc.asyncProperty(schedule, async (picks) => {
          expect(await violations(actors, picks, { fault })).toEqual([]);
        }),
        { numRuns: 50_000, endOnFailure: true },
      );
      const [picks] = result.counterexample ?? [];
      expect(picks && (await violations(actors, picks, { fault })).length).toBeGreaterThan(0);
      expect(await violations(actors, picks!)).toEqual([]);
    },
    60_000,
  );
});
