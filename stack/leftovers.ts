/** Processes of a stack whose supervisor was killed: nobody restarts or stops them any more. */
import { endProcess } from "./processes.ts";
import { type Entry, processOf, readState } from "./state.ts";

const isServer = ({ kind }: Entry): boolean => kind === "postgres" || kind === "broker" || kind === "redis";

/** SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for its clients. */
const cleanSignal = ({ kind }: Entry): NodeJS.Signals => (kind === "postgres" ? "SIGINT" : "SIGTERM");

const GRACE_MS = 15_000;

/**
 * Ends what is left of the stack on a data folder, services first. A process is ended only if it is still the very one that
 * the state file tells of.
 *
 * @returns how many were ended.
 */
export async function stopLeftovers(data: string, say: (line: string) => void): Promise<number> {
  const entries = readState(data)?.entries ?? [];
  let ended = 0;
  for (const wave of [entries.filter((e) => !isServer(e)), entries.filter(isServer)])
    await Promise.all(
      wave.map(async (entry) => {
        const known = processOf(entry);
        if (!known || !(await endProcess(known, cleanSignal(entry), GRACE_MS))) return;
        ended++;
        say(`ended ${entry.name} (pid ${known.pid}), left over from a stack whose supervisor was killed`);
      }),
    );
  return ended;
}
