/** Ends processes whose supervisor was killed: no other process restarts or stops them. */
import { terminate } from "./processes.ts";
import { processOf, readState, type StateEntry } from "./state.ts";

const isServer = ({ kind }: StateEntry): boolean => kind === "postgres" || kind === "broker" || kind === "redis";

/** The signal for a clean stop. SIGINT is PostgreSQL's fast shutdown. With SIGTERM it would wait for its clients. */
export const cleanSignal = ({ kind }: Pick<StateEntry, "kind">): NodeJS.Signals =>
  kind === "postgres" ? "SIGINT" : "SIGTERM";

const GRACE_MS = 15_000;

/**
 * Ends the remaining processes of the stack on a data folder, services before servers. A pid that another process uses
 * now is left alone.
 *
 * @returns the number of processes that were ended.
 */
export async function stopOrphans(data: string, print: (line: string) => void): Promise<number> {
  const entries = readState(data)?.entries ?? [];
  let stopped = 0;
  for (const wave of [entries.filter((entry) => !isServer(entry)), entries.filter(isServer)])
    await Promise.all(
      wave.map(async (entry) => {
        const orphan = processOf(entry);
        if (!orphan || !(await terminate(orphan, cleanSignal(entry), GRACE_MS))) return;
        stopped++;
        print(`stopped ${entry.name} (pid ${orphan.pid}), left over from a stack whose supervisor was killed`);
      }),
    );
  return stopped;
}
