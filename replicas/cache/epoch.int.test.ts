import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Database } from "../../platform/postgres/database.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { openDatabase, type ReplicaDatabase, replicaDatabase } from "../../tests/harness/replica.ts";
import { CacheEpoch, type Epoch, LEASE_MS, OFF_MS } from "./epoch.ts";

let at: ReplicaDatabase;
let one: CacheEpoch;
let other: CacheEpoch;

beforeEach(async () => {
  at = await replicaDatabase("catalog");
  [one, other] = [new CacheEpoch(at.database), new CacheEpoch(at.database)];
}, 60_000);
afterEach(() => at[Symbol.asyncDispose]());

/** Switches the cache on at once, without its waiting time. */
async function switchOn(by: CacheEpoch, runId = "server"): Promise<Epoch> {
  await at.sql`update lockstep.cache_epoch set off_until = clock_timestamp()`;
  await by.enable(await by.refresh(), runId);
  return await by.refresh();
}

/** One turn of the event loop. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

const timed = async <T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> => {
  const start = performance.now();
  const result = await work();
  return { ms: performance.now() - start, result };
};

test("in a new database the cache is off, its epoch is a Unix time in milliseconds, and it may be switched on at once", async () => {
  const before = Date.now() - 600_000;
  const { epoch, runId, due } = await one.refresh();
  expect([runId, due]).toEqual([null, true]);
  expect(epoch).toBeGreaterThan(before);
});

test("a lease ends half a second after the start of its query, and only renewals extend it", async () => {
  expect(one.lease()).toBeUndefined();
  const earliestStart = performance.now();
  const reading = one.refresh();
  const latestStart = performance.now();
  const epoch = await reading;
  for (;;) {
    const now = performance.now(); // read before the check, so that a slow machine does not matter
    if (!one.lease()) break;
    expect(now).toBeLessThan(latestStart + LEASE_MS);
    await nextTurn();
  }
  expect(performance.now()).toBeGreaterThanOrEqual(earliestStart + LEASE_MS);
  expect(one.holds(epoch)).toBe(false);
  one.start(() => {});
  await eventually(() => one.holds(epoch), { timeoutMs: 5_000, what: "a lease" });
  one.stop();
});

test("renewals are frequent only while there are reads, and the first read after a pause waits for one", async () => {
  let queries = 0;
  const query: Database["query"] = (work) => {
    queries++;
    return at.database.query(work);
  };
  const idle = new CacheEpoch({ query, reconnect() {} } as Database);
  const { epoch } = await switchOn(idle);
  idle.start(() => {});
  const renewalsIn = async (ms: number) => {
    const [before, until] = [queries, performance.now() + ms];
    await eventually(() => performance.now() > until, { timeoutMs: ms + 5_000, what: "the time to pass" });
    return queries - before;
  };
  expect(await renewalsIn(2_500)).toBeLessThanOrEqual(3);
  await eventually(() => !idle.lease(), { timeoutMs: 5_000, what: "the lease to expire", everyMs: 1 });
  expect((await idle.leaseForRead())?.epoch).toBe(epoch);
  // A lease that lasts needs no wait, and is renewed before it ends.
  expect(idle.leaseForRead()).not.toBeInstanceOf(Promise);
  expect(await renewalsIn(800)).toBeGreaterThanOrEqual(2);
  idle.stop();
});

test("a read at the end of an idle lease renews it, so that the reads after it have one", async () => {
  const idle = new CacheEpoch(at.database);
  await switchOn(idle);
  await idle.refresh();
  idle.start(() => {});
  await Bun.sleep(400);
  const leases: unknown[] = [];
  for (const until = performance.now() + 300; performance.now() < until; await Bun.sleep(5))
    leases.push(await idle.leaseForRead());
  expect(leases.filter((lease) => lease === undefined).length).toBe(0);
  idle.stop();
});

test("a read does not wait long for PostgreSQL: it gets no lease", async () => {
  const hanging = { query: () => new Promise(() => {}), reconnect() {} } as unknown as Database;
  const { ms, result } = await timed(async () => await new CacheEpoch(hanging).leaseForRead());
  expect(result).toBeUndefined();
  expect(ms).toBeLessThan(1_000);
});

test("P7: an answer that takes longer than a lease grants none, and no applier trusts it for less than a lease", async () => {
  const released = Promise.withResolvers<void>();
  const slow = openDatabase(at.url);
  const query = slow.query.bind(slow);
  slow.query = async (work) => {
    const rows = await query(work);
    await released.promise;
    return rows;
  };
  const late = new CacheEpoch(slow);
  const reading = late.refresh();
  const startedMs = performance.now();
  while (performance.now() < startedMs + LEASE_MS) await nextTurn();
  released.resolve();
  const answeredMs = performance.now();
  const epoch = await reading;
  expect(late.lease(), "the lease of a query that began more than a lease ago").toBeUndefined();
  expect(late.holds(epoch)).toBe(false);
  expect(late.isNew(epoch)).toBe(true);
  await late.afterLeaseExpiry();
  expect(performance.now()).toBeGreaterThanOrEqual(answeredMs + LEASE_MS);
  await slow.close();
});

test("an epoch table without its row is reported", async () => {
  await at.sql`delete from lockstep.cache_epoch`;
  await expect(one.refresh()).rejects.toThrow("lockstep.cache_epoch is empty; insert its row again");
});

test("an applier waits until all leases on an older epoch have expired", async () => {
  await switchOn(one);
  const { epoch } = await other.refresh();
  const { ms, result } = await timed(async () => {
    await one.disable(epoch);
    return await one.afterLeaseExpiry();
  });
  expect(result.runId).toBeNull();
  expect(ms).toBeGreaterThanOrEqual(LEASE_MS);
  expect(other.lease()).toBeUndefined();
  expect((await timed(() => one.afterLeaseExpiry())).ms).toBeLessThan(LEASE_MS);
});

test("no applier waits after an epoch that was off, because no cache has documents of it", async () => {
  await one.refresh();
  await one.afterLeaseExpiry();
  await switchOn(other);
  await one.refresh();
  const { ms, result } = await timed(() => one.afterLeaseExpiry());
  expect(result.runId).toBe("server");
  expect(ms).toBeLessThan(LEASE_MS);
  // A process that did not read the epoch while it was off waits.
  expect((await timed(() => new CacheEpoch(at.database).afterLeaseExpiry())).ms).toBeGreaterThanOrEqual(LEASE_MS);
});

test("a process that missed an epoch which was on waits", async () => {
  await one.refresh();
  await one.afterLeaseExpiry();
  const between = await switchOn(other);
  await other.disable(between.epoch);
  await switchOn(other, "another server");
  const { ms } = await timed(async () => {
    await one.refresh();
    return await one.afterLeaseExpiry();
  });
  expect(ms).toBeGreaterThanOrEqual(LEASE_MS);
});

test("several processes disable the same epoch: it moves once", async () => {
  const { epoch } = await switchOn(one);
  await Promise.all([one, other, one, other].map((by) => by.disable(epoch)));
  const [row] = await at.sql`select epoch, previous, run_id from lockstep.cache_epoch`;
  expect(row).toMatchObject({ previous: String(epoch), run_id: null });
  expect((await other.refresh()).epoch).toBe(Number(row!.epoch));
});

test("the cache stays off for its waiting time, and one of several processes switches it on", async () => {
  await one.disable((await switchOn(one)).epoch);
  const off = await one.refresh();
  expect(off.due).toBe(false);
  expect(await one.enable(off, "server")).toBeUndefined();
  await eventually(async () => (await one.refresh()).due, { timeoutMs: OFF_MS + 5_000, what: "it to be due" });
  const opened = await Promise.all([one.enable(off, "server 1"), other.enable(off, "server 2")]);
  expect(opened.filter((epoch) => epoch !== undefined).length).toBe(1);
}, 30_000);
