/** A client that reads one replica: by id, where the cache answers, and as lists, where PostgreSQL does. */
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import type { ClientDeps } from "./client.ts";
import { readList, readOne } from "./reads.ts";

const PAUSE_MS = 15;
const LIST_SHARE = 0.05;

/** Reads until the signal aborts. Never rejects. */
export async function runReader(deps: ClientDeps, replica: string): Promise<void> {
  const { random, entities, signal } = deps;
  while (!signal.aborted) {
    const id = entities.toRead(random);
    if (random.chance(LIST_SHARE)) await readList(deps, replica);
    else if (id) {
      const { outcome } = await readOne(deps, replica, id);
      if (outcome === "rejected" || outcome === "unknown") await sleepUnlessAborted(10 * PAUSE_MS, signal);
    }
    await sleepUnlessAborted(PAUSE_MS, signal);
  }
}
