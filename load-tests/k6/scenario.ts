/** One iteration of the load scripts: creates an entity, changes it twice and deletes it. */
import { check } from "k6";
import { probeEverywhere } from "./replication-probe.ts";
import { replicas } from "./target.ts";
import { type AcknowledgedWrite, create, list, readOne, remove, update } from "./writes.ts";

/** Writes of one scenario. */
export const WRITES_PER_SCENARIO = 4;

/** Scenarios per second whose writes are measured at the replicas: enough for percentiles, too few to add load. */
const PROBED_PER_SECOND = 5;

/** The share of all scenarios to measure at this rate, from 0 to 1. */
export const probedShare = (writesPerSecond: number): number =>
  Math.min(1, (PROBED_PER_SECOND * WRITES_PER_SCENARIO) / writesPerSecond);

/** How {@link runScenario} behaves. */
export interface ScenarioOptions {
  /** Share of the scenarios whose writes are measured at the replicas, from 0 to 1. */
  readonly probedShare: number;
  /** True: also read lists, and single entities that must not be older than the write before. */
  readonly withReads: boolean;
}

/** Runs one scenario. A rejected creation ends it early, and counts as a failed request. */
export async function runScenario({ probedShare, withReads }: ScenarioOptions): Promise<void> {
  const isProbed = Math.random() < probedShare;
  const afterWrite = async (written: AcknowledgedWrite): Promise<void> => {
    if (isProbed) await probeEverywhere(written);
    else if (withReads) await readOwnWrite(written);
  };
  const created = await create();
  if (!created) return;
  await afterWrite(created);
  if (withReads) await readLists();
  for (const change of [update, update, remove]) {
    const written = await change(created.id);
    if (written) await afterWrite(written);
  }
}

/** Reads with the token of a write, and checks that the result is not older (P8). */
export async function readOwnWrite({ id, version, deleted, token }: AcknowledgedWrite): Promise<void> {
  const replica = replicas[Math.floor(Math.random() * replicas.length)];
  if (!replica) return;
  const read = await readOne(replica, id, { "sync-token": token, prefer: "wait=5" });
  check(read, {
    "a read with the token sees the write": (r) => (deleted ? r.version === 0 : r.version >= version) && r.isValid,
  });
}

async function readLists(): Promise<void> {
  const results = await Promise.all(replicas.map((replica) => list(replica)));
  check(results, { "lists are returned": (all) => all.every(Boolean) });
}
