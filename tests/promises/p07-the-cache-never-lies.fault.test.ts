/**
 * P7: during any fault of Redis, no read is older than what the replica's PostgreSQL had committed when the read
 * started. Two processes of one replica apply and read during each fault. `replicas/cache/protocol.int.test.ts` covers
 * the interleavings that are too unlikely to occur by chance.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Redis } from "ioredis";
import { startRedis } from "../../stack/servers/redis.ts";
import type { Server } from "../../stack/servers/server.ts";
import { type CacheProcess, startCacheProcess } from "../harness/cache-process.ts";
import { stopAtExit } from "../harness/clean-up-at-exit.ts";
import { eventually } from "../harness/eventually.ts";
import { deleteChange, newId, type ReplicaDatabase, replicaDatabase, upsertChange } from "../harness/replica.ts";
import { freePort, temporaryFolder } from "../harness/servers.ts";

const IDS = 24;
/** Maximum time from the end of a fault until the cache serves reads again. */
const RECOVERY_MS = 15_000;

let database: ReplicaDatabase;
let redis: Server;
let folder: string;
let port: number;
let admin: Redis;
let traffic: Traffic;

async function startServer(): Promise<void> {
  redis = await startRedis({ dir: folder, port });
  stopAtExit(redis.pid, "KILL", folder);
}

beforeAll(async () => {
  database = await replicaDatabase("catalog");
  folder = temporaryFolder("redis");
  port = await freePort();
  await startServer();
  admin = new Redis(redis.url, { maxRetriesPerRequest: 1 });
  admin.on("error", () => {});
  const start = () => startCacheProcess(database.url, redis.url, "catalog");
  traffic = new Traffic([await start(), await start()]);
}, 60_000);

afterAll(async () => {
  await traffic.stop();
  for (const process of traffic.processes) await process[Symbol.asyncDispose]();
  admin.disconnect();
  await redis.stop("SIGKILL");
  await database[Symbol.asyncDispose]();
}, 30_000);

/** Writes and reads until it is stopped. Compares each read with what was committed before the read started. */
class Traffic {
  readonly violations: string[] = [];
  /** Number of reads per cache outcome since the last {@link reset}. */
  readonly outcomes = { hit: 0, miss: 0, bypass: 0 };
  /** Number of changes that were committed. */
  commits = 0;
  /** Longest duration of one batch, in milliseconds. */
  longestMs = 0;
  private readonly ids = Array.from({ length: IDS }, newId);
  private readonly committed = new Map<string, number>(this.ids.map((id) => [id, 0]));
  private stopping = false;
  private readonly running: Promise<void>[];

  constructor(readonly processes: readonly CacheProcess[]) {
    this.running = processes.flatMap((process, i) => [this.write(process, i), ...[0, 1].map(() => this.read(process))]);
  }

  reset(): void {
    Object.assign(this.outcomes, { hit: 0, miss: 0, bypass: 0 });
    this.longestMs = 0;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.running);
  }

  /**
   * Each process writes half of the ids, and sometimes repeats an older version of the other half, as after a
   * rebalance.
   */
  private async write(process: CacheProcess, half: number): Promise<void> {
    for (let round = 1; !this.stopping; round++) {
      const changes = this.ids.flatMap((id, i) => {
        if (Math.random() < 0.7) return [];
        if (i % 2 !== half) return [upsertChange(id, Math.max(1, this.committed.get(id)! - 1))];
        return [round % 7 === 0 ? deleteChange(id, round) : upsertChange(id, round)];
      });
      if (changes.length === 0) continue;
      const start = performance.now();
      const applied = await process.applier.apply(changes.sort((a, b) => (a.id < b.id ? -1 : 1)));
      this.commits += changes.length - applied.unchanged.size;
      for (const { id, version } of changes)
        if (!applied.unchanged.has(id)) this.committed.set(id, Math.max(version, this.committed.get(id)!));
      await process.cacheWriter.store(applied);
      this.longestMs = Math.max(this.longestMs, performance.now() - start);
      await Bun.sleep(5);
    }
  }

  private async read(process: CacheProcess): Promise<void> {
    while (!this.stopping) {
      const id = this.ids[Math.floor(Math.random() * IDS)]!;
      const floor = this.committed.get(id)!;
      const { entry, outcome } = await process.lookup.find(id);
      this.outcomes[outcome.result]++;
      if ((entry?.version ?? 0) < floor)
        this.violations.push(`${id} at ${entry?.version} (${outcome.result}), but ${floor} was committed`);
      await Bun.sleep(1);
    }
  }
}

/** Waits until the cache serves the reads of both processes. */
const waitForHits = () =>
  eventually(
    async () => {
      traffic.reset();
      await Bun.sleep(200);
      const { hit, miss, bypass } = traffic.outcomes;
      if (hit < 20 || bypass > 0) throw new Error(`${hit} hits, ${miss} misses, ${bypass} without the cache`);
      return true;
    },
    { timeoutMs: RECOVERY_MS, what: "reads from the cache only", everyMs: 1 },
  );

const faults: Record<string, () => Promise<unknown>> = {
  "is flushed": () => admin.flushall(),
  "loses the state of the cache only": () => admin.del("lockstep:{catalog.products}.state"),
  "loses all entries, one after the other": async () => {
    for (const key of await admin.keys("lockstep:{catalog.products}:*-*")) await admin.del(key);
  },
  "is killed and restarts empty": async () => {
    await redis.stop("SIGKILL");
    await eventually(() => traffic.outcomes.bypass > 50, { timeoutMs: 5_000, what: "reads without the cache" });
    await startServer();
  },
  "is killed and restarts with an old snapshot": async () => {
    await admin.save();
    const { commits } = traffic;
    await eventually(() => traffic.commits > commits + 200, { timeoutMs: 20_000, what: "newer versions than saved" });
    await redis.stop("SIGKILL");
    await startServer();
    await Bun.file(join(folder, "dump.rdb")).delete();
  },
  "cuts all connections": () => admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
  "is suspended for three seconds": async () => {
    process.kill(redis.pid, "SIGSTOP");
    await Bun.sleep(3_000);
    process.kill(redis.pid, "SIGCONT");
  },
  "is suspended for less than every timeout": async () => {
    process.kill(redis.pid, "SIGSTOP");
    await Bun.sleep(150);
    process.kill(redis.pid, "SIGCONT");
  },
  "rejects all writes": async () => {
    await admin.config("SET", "maxmemory-policy", "noeviction");
    await admin.config("SET", "maxmemory", "1");
    await eventually(() => traffic.outcomes.bypass > 50, { timeoutMs: 10_000, what: "reads without the cache" });
    await admin.config("SET", "maxmemory", "100mb");
  },
  "evicts at random": async () => {
    await admin.config("SET", "maxmemory-policy", "allkeys-random");
    const { used_memory } = Object.fromEntries(
      (await admin.info("memory")).split("\r\n").map((line) => line.split(":")),
    );
    await admin.config("SET", "maxmemory", String(Number(used_memory) - 1_000));
    await Bun.sleep(2_000);
    await admin.config("SET", "maxmemory", "100mb");
  },
  "becomes a replica of another server for a moment": async () => {
    await admin.replicaof("127.0.0.1", "1");
    await eventually(() => traffic.outcomes.bypass > 50, { timeoutMs: 10_000, what: "reads without the cache" });
    await admin.replicaof("NO", "ONE");
  },
};

test.each(Object.entries(faults))(
  "P7: no read is stale when Redis %s",
  async (_, causeFault) => {
    await waitForHits();
    traffic.reset();
    await causeFault();
    const { longestMs } = traffic;
    await waitForHits();
    expect(traffic.violations).toEqual([]);
    // One timeout of the applier for Redis and one lease, each with a margin for a slow machine.
    expect(longestMs).toBeLessThan(5_000);
  },
  60_000,
);
