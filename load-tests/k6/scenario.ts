/** The unit of the load scripts: one product's life, after which nothing of it is left. */
import { check } from "k6";
import { followEverywhere } from "./replication-probe.ts";
import { replicas } from "./target.ts";
import { create, list, readOne, remove, update, type Written } from "./writes.ts";

/** Created, changed twice, deleted. */
export const WRITES_PER_LIFE = 4;

/** Lives per second whose writes are followed to the replicas: enough for percentiles, too few to be a load of their own. */
const FOLLOWED_PER_SECOND = 5;

/** The part of all lives that is followed at this rate of writes per second. */
export const followedShare = (writesPerSecond: number): number =>
  Math.min(1, (FOLLOWED_PER_SECOND * WRITES_PER_LIFE) / writesPerSecond);

export interface ScenarioOptions {
  /** From 0 to 1: how many of the lives are followed. */
  readonly followed: number;
  /** Whether clients read, too: lists, and single products that must not be older than what was just written. */
  readonly withReads: boolean;
}

/** Lives a product. A write that is refused ends it early, and counts as failed. */
export async function live({ followed, withReads }: ScenarioOptions): Promise<void> {
  const watched = Math.random() < followed;
  const arrived = async (written: Written): Promise<void> => {
    if (watched) await followEverywhere(written);
    else if (withReads) await readYourWrite(written);
  };
  const created = await create();
  if (!created) return;
  await arrived(created);
  if (withReads) await readLists();
  for (const next of [update, update, remove]) {
    const written = await next(created.id);
    if (written) await arrived(written);
  }
}

/** P8: a read that brings the write's token is at least that fresh, or waits. */
export async function readYourWrite({ id, version, deleted, token }: Written): Promise<void> {
  const replica = replicas[Math.floor(Math.random() * replicas.length)];
  if (!replica) return;
  const read = await readOne(replica, id, { "sync-token": token, prefer: "wait=5" });
  check(read, {
    "a read with the token sees the write": (r) => (deleted ? r.version === 0 : r.version >= version) && r.known,
  });
}

async function readLists(): Promise<void> {
  const answered = await Promise.all(replicas.map((replica) => list(replica)));
  check(answered, { "lists are answered": (all) => all.every(Boolean) });
}
