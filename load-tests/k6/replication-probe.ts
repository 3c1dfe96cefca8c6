/**
 * Measures from outside how long it takes until a replica shows a write, by polling until it returns the version.
 *
 * k6 can only know an interval. The write was committed after its request was sent and before its response arrived. A
 * version appeared between the request of the last read without it and the response of the first read with it.
 * - `sync_latency`: from the write's response to the middle between these two reads.
 * - `sync_latency_at_least`, `sync_latency_at_most`: the bounds of the true latency.
 *
 * Tags: `replica`, and `store`: `postgres` for any read that shows the version, `redis` for one from the cache.
 */
import { check } from "k6";
import { Trend } from "k6/metrics";
import type { Threshold } from "k6/options";
import { setTimeout } from "k6/timers";
import { type Replica, replicas } from "./target.ts";
import { type AcknowledgedWrite, nowMs, type ReadResult, readOne } from "./writes.ts";

const latency = new Trend("sync_latency", true);
const atLeast = new Trend("sync_latency_at_least", true);
const atMost = new Trend("sync_latency_at_most", true);

/** Values of the tag `store`. */
export const STORES = ["postgres", "redis"] as const;
/** One of {@link STORES}. */
export type Store = (typeof STORES)[number];

const TIMEOUT_MS = 10_000;
/** Time to the next poll: a tenth of the elapsed time, to add little load. */
const intervalMs = (elapsedMs: number): number => Math.min(250, Math.max(1, elapsedMs / 10));

const shows = (read: ReadResult, { version, deleted }: AcknowledgedWrite): boolean =>
  read.isValid && (deleted ? read.version === 0 : read.version >= version);

/** k6 runs no Node modules, so `platform/async` is not available here. */
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Polls one replica until its cache has the write. @returns false when that takes more than ten seconds. */
async function probe(write: AcknowledgedWrite, replica: Replica): Promise<boolean> {
  const pending = new Set<Store>(STORES);
  const lastReads = new Map<Store, ReadResult | undefined>();
  while (pending.size > 0) {
    const read = await readOne(replica, write.id);
    if (read.hasNoCache) pending.delete("redis");
    for (const store of pending) {
      if (!shows(read, write) || (store === "redis" && !read.isHit)) {
        lastReads.set(store, read);
        continue;
      }
      pending.delete(store);
      record(write, { replica: replica.name, store }, lastReads.get(store), read);
    }
    const elapsedMs = nowMs() - write.receivedMs;
    if (elapsedMs > TIMEOUT_MS) return pending.size === 0;
    if (pending.size > 0) await sleep(intervalMs(elapsedMs));
  }
  return true;
}

const middle = ({ sentMs, receivedMs }: { sentMs: number; receivedMs: number }): number => (sentMs + receivedMs) / 2;

/** @param last the last read without the write. @param first the first read with it. */
function record(
  write: AcknowledgedWrite,
  tags: Record<string, string>,
  last: ReadResult | undefined,
  first: ReadResult,
): void {
  const lowerMs = last ? middle(last) : write.receivedMs;
  latency.add(Math.max(0, (lowerMs + middle(first)) / 2 - write.receivedMs), tags);
  atLeast.add(Math.max(0, (last?.sentMs ?? write.sentMs) - write.receivedMs), tags);
  atMost.add(first.receivedMs - write.sentMs, tags);
}

/** Polls all replicas at the same time until they have the write, and checks that all of them got it. */
export async function probeEverywhere(write: AcknowledgedWrite): Promise<void> {
  const results = await Promise.all(replicas.map((replica) => probe(write, replica)));
  check(results, { "every replica and cache has the write": (all) => all.every(Boolean) });
}

const perStore = (metric: string, tags: string, conditions: Threshold[]): Record<string, Threshold[]> =>
  Object.fromEntries(
    replicas.flatMap(({ name }) =>
      STORES.map((store) => [`${metric}{replica:${name},store:${store}${tags}}`, conditions]),
    ),
  );

/** Thresholds for the latency of every replica and store. Without conditions they only add rows to the summary. */
export const syncThresholds = (conditions: Threshold[], tags = ""): Record<string, Threshold[]> => ({
  ...perStore("sync_latency", tags, conditions),
  // k6 adds a tagged part of a metric to the report only when a threshold names it.
  ...perStore("sync_latency_at_least", tags, []),
  ...perStore("sync_latency_at_most", tags, []),
});
