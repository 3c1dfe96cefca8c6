/** `bun run down`: stops the stack on a data folder and keeps the data. */
import { stopOrphans } from "./orphans.ts";
import { terminate } from "./processes.ts";
import { removeState, runningSupervisor, unlockDataFolder } from "./state.ts";

/** Time for the supervisor to stop all processes before SIGKILL, in milliseconds. */
const GRACE_MS = 60_000;

/** Stops the stack and prints what was done. Prints that nothing runs when there is no stack. */
export async function down(data: string, print: (line: string) => void): Promise<void> {
  const supervisor = runningSupervisor(data);
  if (supervisor) {
    print(`stopping the stack on ${data} (supervisor pid ${supervisor.pid}) …`);
    await terminate(supervisor, "SIGTERM", GRACE_MS);
  }
  const orphans = await stopOrphans(data, print);
  removeState(data);
  unlockDataFolder(data);
  print(supervisor || orphans > 0 ? `stopped; the data is kept in ${data}` : `nothing runs on ${data}`);
}
