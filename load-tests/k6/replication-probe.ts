/**
 * From a write's answer until a replica shows it, seen from outside: by asking until the version is there.
 *
 * What k6 can know is an interval. The write was committed after its request was sent and before it was answered; a version
 * appeared after the last read that did not show it was sent and before the first that did was answered.
 * - `sync_latency`: from the write's answer until the middle between these two reads.
 * - `sync_latency_at_least`, `sync_latency_at_most`: the bounds. The truth lies between them, whatever the network does.
 *
 * All carry the tags `replica` and `store`: `postgres` when a read shows the version at all, `redis` when it comes from the cache.
 */
import { check } from "k6";
import { Trend } from "k6/metrics";
import type { Threshold } from "k6/options";
import { setTimeout } from "k6/timers";
import { type Replica, replicas } from "./target.ts";
import { nowMs, type Read, readOne, type Written } from "./writes.ts";

const latency = new Trend("sync_latency", true);
const atLeast = new Trend("sync_latency_at_least", true);
const atMost = new Trend("sync_latency_at_most", true);

export const STORES = ["postgres", "redis"] as const;
export type Store = (typeof STORES)[number];

const WITHIN_MS = 10_000;
/** The pause between two looks grows with the time gone by, a tenth of it: no finer than needed, or those who ask would slow those who answer. */
const pauseMs = (elapsedMs: number): number => Math.min(250, Math.max(1, elapsedMs / 10));

const shows = (read: Read, { version, deleted }: Written): boolean =>
  read.known && (deleted ? read.version === 0 : read.version >= version);

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Asks one replica until its cache has the write. @returns false when it does not within ten seconds. */
async function follow(write: Written, replica: Replica): Promise<boolean> {
  const waiting = new Set<Store>(STORES);
  const before = new Map<Store, Read | undefined>();
  while (waiting.size > 0) {
    const read = await readOne(replica, write.id);
    if (read.cacheless) waiting.delete("redis");
    for (const store of waiting) {
      if (!shows(read, write) || (store === "redis" && !read.hit)) {
        before.set(store, read);
        continue;
      }
      waiting.delete(store);
      note(write, { replica: replica.name, store }, before.get(store), read);
    }
    const elapsedMs = nowMs() - write.answeredMs;
    if (elapsedMs > WITHIN_MS) return waiting.size === 0;
    if (waiting.size > 0) await pause(pauseMs(elapsedMs));
  }
  return true;
}

const middle = ({ sentMs, answeredMs }: { sentMs: number; answeredMs: number }): number => (sentMs + answeredMs) / 2;

function note(write: Written, tags: Record<string, string>, before: Read | undefined, first: Read): void {
  const notYet = before ? middle(before) : write.answeredMs;
  latency.add(Math.max(0, (notYet + middle(first)) / 2 - write.answeredMs), tags);
  atLeast.add(Math.max(0, (before?.sentMs ?? write.sentMs) - write.answeredMs), tags);
  atMost.add(first.answeredMs - write.sentMs, tags);
}

/** Follows a write to every replica, all at the same time, and checks that it arrived. */
export async function followEverywhere(write: Written): Promise<void> {
  const arrived = await Promise.all(replicas.map((replica) => follow(write, replica)));
  check(arrived, { "every replica and cache has it": (all) => all.every(Boolean) });
}

const parts = (metric: string, tags: string, conditions: Threshold[]): Record<string, Threshold[]> =>
  Object.fromEntries(
    replicas.flatMap(({ name }) =>
      STORES.map((store) => [`${metric}{replica:${name},store:${store}${tags}}`, conditions]),
    ),
  );

/** Thresholds for the latency of every replica and store; without conditions they only make it a row of the summary. */
export const syncThresholds = (conditions: Threshold[], tags = ""): Record<string, Threshold[]> => ({
  ...parts("sync_latency", tags, conditions),
  // For the report: a part is in it only if a threshold names it.
  ...parts("sync_latency_at_least", tags, []),
  ...parts("sync_latency_at_most", tags, []),
});
