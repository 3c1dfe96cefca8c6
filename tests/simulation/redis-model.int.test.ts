/** The model of Redis gives the same answers as a real one, and has the same data after each script. */
import { expect, test } from "bun:test";
import { Redis } from "ioredis";
import { redisUrl } from "../harness/servers.ts";
import { scriptsByText } from "./redis-scripts.ts";
import { RedisServer } from "./redis-server.ts";
import { SeededRandom } from "./seeded-random.ts";

const SEQUENCES = Number(process.env.TEST_RUNS ?? 300);
const STEPS = 40;
const TTL_MS = 600_000;
const [fence, store, lift, lease, fill, install] = [...scriptsByText.keys()] as [
  string,
  string,
  string,
  string,
  string,
  string,
];

/** A script with its keys and arguments, in the order of the scripts' comments. */
interface Call {
  readonly text: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** One random call. Few ids, processes, versions and epochs, so that calls meet. */
function callOf(random: SeededRandom, prefix: string): Call {
  const state = `${prefix}:state`;
  const epoch = String(random.int(1, 3));
  const token = () => `p${random.int(1, 3)}.${random.int(1, 3)}`;
  const ids = ["a", "b", "c"].filter(() => random.chance(0.6));
  if (ids.length === 0) ids.push("a");
  const entries = ids.map((id) => `${prefix}:${id}`);
  const one = [state, entries[0]!];
  const own = token();
  const fences = entries.map(() => `${random.int(1, 4)}:${own}`);
  const text = () => (random.chance(0.2) ? "" : `${epoch} ${random.int(1, 4)} ${random.int(1, 2)} {"a":1}`);
  switch (random.pick(["fence", "fence", "store", "store", "lift", "lease", "fill", "install"] as const)) {
    case "fence":
      return { text: fence, keys: [state, ...entries], args: [epoch, own, ...fences] };
    case "store":
      return {
        text: store,
        keys: [state, ...entries],
        args: [epoch, String(TTL_MS), ...fences.flatMap((each) => [each, text()])],
      };
    case "lift":
      return { text: lift, keys: [state, ...entries], args: [epoch, ...fences] };
    case "lease":
      return { text: lease, keys: one, args: [epoch, own, String(TTL_MS), String(random.int(1, 2))] };
    case "fill":
      return { text: fill, keys: one, args: [epoch, token(), String(TTL_MS), text()] };
    default:
      return { text: install, keys: [state], args: [epoch] };
  }
}

const shown = ({ text, keys, args }: Call): string =>
  `${["fence", "store", "lift", "lease", "fill", "install"][[...scriptsByText.keys()].indexOf(text)]} ${keys.join(" ")} | ${args.join(" ")}`;

async function compare(redis: Redis, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const prefix = `simulation:${process.pid}:${seed}`;
  const model = new RedisServer(() => 0);
  const calls: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    const call = step === 0 ? { text: install, keys: [`${prefix}:state`], args: ["1"] } : callOf(random, prefix);
    calls.push(shown(call));
    const [answer, ...data] = await Promise.all([
      redis.eval(call.text, call.keys.length, ...call.keys, ...call.args),
      redis.hgetall(`${prefix}:state`),
      redis.mget(...["a", "b", "c"].map((id) => `${prefix}:${id}`)),
    ]);
    const expected = model.eval(call.text, call.keys, call.args);
    const state = Object.fromEntries(model.hashes.get(`${prefix}:state`) ?? []);
    const entries = ["a", "b", "c"].map((id) => model.strings.get(`${prefix}:${id}`) ?? null);
    if (Bun.deepEquals([answer, ...data], [expected, state, entries])) continue;
    expect({ seed, calls: calls.slice(-6), answer, data }).toEqual({
      seed,
      calls: calls.slice(-6),
      answer: expected,
      data: [state, entries],
    });
  }
  await redis.del(...["state", "a", "b", "c"].map((name) => `${prefix}:${name}`));
}

test(`P7: the model of Redis is equal to a real one after each of ${SEQUENCES * STEPS} scripts`, async () => {
  const redis = new Redis(await redisUrl());
  for (let seed = 1; seed <= SEQUENCES; seed++) await compare(redis, seed);
  redis.disconnect();
});

test("more than 16 fences of other processes are refused by both", async () => {
  const redis = new Redis(await redisUrl());
  const model = new RedisServer(() => 0);
  const keys = [`simulation:${process.pid}:many:state`, `simulation:${process.pid}:many:a`];
  const run = async (text: string, used: readonly string[], args: readonly string[]) => [
    await redis.eval(text, used.length, ...used, ...args),
    model.eval(text, used, args),
  ];
  expect(await run(install, keys.slice(0, 1), ["1"])).toEqual(["ok", "ok"]);
  for (let i = 1; i <= 17; i++) expect(await run(fence, keys, ["1", `p${i}.1`, `1:p${i}.1`])).toEqual(["ok", "ok"]);
  expect(await run(fence, keys, ["1", "p18.1", "1:p18.1"])).toEqual(["lost", "lost"]);
  await redis.del(...keys);
  redis.disconnect();
});
