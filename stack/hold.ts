/**
 * `bun run stop` and `bun run start`: stops one process of a stack, and keeps it stopped until it is started again. A
 * file in the data folder tells the supervisor not to restart the process.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../contracts/errors.ts";
import { healthOf } from "./health.ts";
import { cleanSignal } from "./orphans.ts";
import { labelOf } from "./plan.ts";
import { terminate } from "./processes.ts";
import { commandText } from "./program.ts";
import { processOf, readState, runningSupervisor, type StateEntry } from "./state.ts";
import { NotYetError, waitFor } from "./wait-for.ts";

/** Time for a process to stop before SIGKILL, in milliseconds. */
const STOP_TIMEOUT_MS = 60_000;
const WAIT = { timeoutMs: 120_000, intervalMs: 50 };

const folderOf = (data: string): string => join(data, "held");
const fileOf = (data: string, label: string): string => join(folderOf(data), label.replace(" ", "-"));

/** Keeps the supervisor from restarting a process. Does not stop it. @param label `stream`, or `stream 2`. */
export function hold(data: string, label: string): void {
  mkdirSync(folderOf(data), { recursive: true });
  writeFileSync(fileOf(data, label), "");
}

/** Lets the supervisor restart a process, within 100 ms. Does nothing when the process is not held. */
export const release = (data: string, label: string): void => rmSync(fileOf(data, label), { force: true });

/** Releases all processes. */
export const releaseAll = (data: string): void => rmSync(folderOf(data), { recursive: true, force: true });

/** True while the supervisor must not restart a process. */
export const isHeld = (data: string, label: string): boolean => existsSync(fileOf(data, label));

/**
 * Stops processes and keeps them stopped.
 *
 * @param labels `stream`, `stream 2`, `catalog-db`, `broker 3`.
 * @throws {UserError} when nothing runs on the folder, or there is no such process, or it is an external server.
 */
export async function stopProcesses(data: string, labels: readonly string[], print: (line: string) => void) {
  for (const label of labels) {
    const entry = entryOf(data, label);
    hold(data, label);
    const running = processOf(entry);
    const stopped = running && (await terminate(running, cleanSignal(entry), STOP_TIMEOUT_MS));
    print(
      `${label} ${stopped ? "is stopped" : "was stopped already"}; start it with: ${commandText("start")} ${quoted(label)}`,
    );
  }
}

/**
 * Starts processes that {@link stopProcesses} has stopped, and waits until they are ready.
 *
 * @throws {UserError} as {@link stopProcesses}, and when a process is not ready after two minutes.
 */
export async function startProcesses(data: string, labels: readonly string[], print: (line: string) => void) {
  for (const label of labels) entryOf(data, label);
  for (const label of labels) release(data, label);
  for (const label of labels) {
    await waitFor(`${label} to be ready`, WAIT, async () => {
      const { kind, url, pid } = entryOf(data, label);
      if (pid === null) throw new NotYetError(`it was not started; see: ${commandText("status")}`);
      const { health, reason = "" } = await healthOf(kind, url);
      if (health !== "ready") throw new NotYetError(`it is ${health} (${reason}); see: ${commandText("status")}`);
    });
    print(`${label} is ready`);
  }
}

const quoted = (label: string): string => (label.includes(" ") ? `"${label}"` : label);

function entryOf(data: string, label: string): StateEntry {
  if (!runningSupervisor(data)) throw new UserError(`nothing runs on ${data}; start it with: ${commandText("up")}`);
  const entries = readState(data)?.entries ?? [];
  const entry = entries.find((one) => labelOf(one) === label);
  if (!entry)
    throw new UserError(`there is no process ${label}; the processes are: ${entries.map(labelOf).join(", ")}`);
  if (entry.isExternal) throw new UserError(`${label} is an external server; stop or start it where it runs`);
  return entry;
}
