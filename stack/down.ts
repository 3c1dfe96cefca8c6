import { stopLeftovers } from "./leftovers.ts";
import { endProcess } from "./processes.ts";
import { removeState, retire, runningSupervisor } from "./state.ts";

/** The supervisor stops its services and servers one wave after the other; each has its own bound below this, in milliseconds. */
const GRACE_MS = 60_000;

/** `bun run down`: stops the stack on a data folder, keeps the data. Says so when there is none. */
export async function down(data: string, say: (line: string) => void): Promise<void> {
  const supervisor = runningSupervisor(data);
  if (supervisor) {
    say(`stopping the stack on ${data} (supervisor pid ${supervisor.pid}) …`);
    await endProcess(supervisor, "SIGTERM", GRACE_MS);
  }
  const ended = await stopLeftovers(data, say);
  removeState(data);
  retire(data);
  say(supervisor || ended > 0 ? `stopped; the data is kept in ${data}` : `nothing runs on ${data}`);
}
