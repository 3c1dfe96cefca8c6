/** Faults of the cache's Redis. A cache may lose everything, at any time, and be away (P7). */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { retry } from "../../platform/async/retry.ts";
import type { Fault, FaultContext } from "../fault.ts";
import { REDIS_SUBJECT } from "../subjects.ts";
import type { System } from "../system.ts";

const RETURN_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 10_000;

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    connectionName: "chaos",
    lazyConnect: true,
    commandTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 1,
  });
  redis.on("error", () => {}); // the command's rejection reports it
  try {
    await redis.connect();
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

const subjects = ({ addresses }: System): string[] => (addresses.redis === undefined ? [] : [REDIS_SUBJECT]);
const urlOf = ({ system }: FaultContext): string => system.addresses.redis!;

/** Repeats `check` until Redis is as it was before the fault. */
const untilRestored = (what: string, check: () => Promise<unknown>): Promise<void> =>
  retry({ what, timeoutMs: RETURN_TIMEOUT_MS, shouldRetry: () => true, firstDelayMs: 100 }, async () => {
    await check();
  });

const runId = (redis: Redis): Promise<string | undefined> =>
  redis.info("server").then((info) => /^run_id:(\S+)/m.exec(info)?.[1]);

const flush: Fault = {
  name: "redis-flush",
  summary: "Redis loses all keys.",
  lastsMs: [0, 0],
  destroys: true, // a Redis of one's own may hold more than the cache
  subjects,
  async inject(context) {
    await withRedis(urlOf(context), (redis) => redis.flushall());
    return async () => {};
  },
};

const eviction: Fault = {
  name: "redis-eviction",
  summary: "Redis has 2 MB of memory, and evicts the keys that were not read for the longest time.",
  lastsMs: [2_000, 10_000],
  destroys: true,
  subjects,
  async inject(context) {
    const url = urlOf(context);
    const limits = { maxmemory: "2mb", "maxmemory-policy": "allkeys-lru" };
    const set = (values: Readonly<Record<string, string>>) =>
      withRedis(url, async (redis) => {
        for (const [name, value] of Object.entries(values)) await redis.config("SET", name, value);
      });
    const before = await withRedis(url, async (redis) => {
      const names = Object.keys(limits);
      const values = await Promise.all(names.map((name) => redis.config("GET", name) as Promise<[string, string]>));
      return Object.fromEntries(values);
    });
    await set(limits);
    return () => untilRestored("the restore of Redis' memory limit", () => set(before));
  },
};

const readOnly: Fault = {
  name: "redis-read-only",
  summary: "Redis becomes the replica of a server that is down, so it rejects writes.",
  lastsMs: [1_000, 8_000],
  subjects,
  async inject(context) {
    const url = urlOf(context);
    const end = () =>
      untilRestored("the end of Redis' replication", () => withRedis(url, (r) => r.replicaof("NO", "ONE")));
    await withRedis(url, (redis) => redis.replicaof("127.0.0.1", "1"));
    return end;
  },
};

/** Redis ends the pause by itself, so that it never lasts longer than chosen. */
const suspended: Fault = {
  name: "redis-suspended",
  summary: "Redis accepts commands and runs none for 0.2 to 8 s.",
  lastsMs: [0, 0],
  subjects,
  async inject(context) {
    const url = urlOf(context);
    const ms = context.random.chance(0.3) ? context.random.int(200, 1_000) : context.random.int(1_000, 8_000);
    await withRedis(url, (redis) => redis.client("PAUSE", ms, "ALL"));
    return () => untilRestored("the end of Redis' pause", () => withRedis(url, (redis) => redis.ping()));
  },
};

/** Redis loads the file of its snapshot when it starts. */
const oldSnapshot: Fault = {
  name: "redis-old-snapshot",
  summary: "Redis is killed, and starts with its data from some seconds before.",
  lastsMs: [1_000, 6_000],
  // The snapshot's file has to be removed afterwards.
  subjects: (system) => (system.kind === "embedded" ? subjects(system) : []),
  async inject(context) {
    const url = urlOf(context);
    const process = context.system.processes.find(({ kind }) => kind === "redis");
    if (!process) throw new Error("Redis is not a process of this system");
    const { before, file } = await withRedis(url, async (redis) => {
      const [, folder] = (await redis.config("GET", "dir")) as [string, string];
      const [, name] = (await redis.config("GET", "dbfilename")) as [string, string];
      await redis.save();
      return { before: await runId(redis), file: join(folder, name) };
    });
    return async () => {
      await process.signal("SIGKILL");
      await untilRestored("the restart of Redis", () =>
        withRedis(url, async (redis) => {
          if ((await runId(redis)) === before) throw new Error("Redis has not stopped yet");
        }),
      );
      rmSync(file, { force: true });
    };
  },
};

/** All faults of Redis. */
export const redisFaults: readonly Fault[] = [flush, eviction, readOnly, suspended, oldSnapshot];
