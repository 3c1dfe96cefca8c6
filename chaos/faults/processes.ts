/** Faults of processes: killed, terminated, suspended, kept down, restarted one after the other. */
import type { ConditionName } from "../../contracts/conditions.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Fault } from "../fault.ts";
import type { System, SystemProcess } from "../system.ts";

/** Longest time for a process to be ready again, in milliseconds. */
const READY_TIMEOUT_MS = 90_000;
const POLL_MS = 50;

const subjectsOf =
  (isSubject: (process: SystemProcess) => boolean) =>
  (system: System): string[] =>
    system.processes.filter(isSubject).map(({ name }) => name);

/** The process of a name. @throws {Error} when there is none. */
export function processOf(system: System, name: string): SystemProcess {
  const found = system.processes.find((process) => process.name === name);
  if (!found) throw new Error(`there is no process ${name}`);
  return found;
}

/** Waits until a process is ready. @throws {Error} after 90 s. */
export async function untilReady(process: SystemProcess): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await process.isReady())) {
    if (Date.now() > deadline)
      throw new Error(`${process.name} was not ready ${READY_TIMEOUT_MS / 1000} s after a fault`);
    await sleep(POLL_MS);
  }
}

/** Ends a process by a signal. @returns waits until another process runs in its place and is ready. */
async function endBy(process: SystemProcess, signal: "SIGKILL" | "SIGTERM"): Promise<() => Promise<void>> {
  const before = await process.identity();
  await process.signal(signal);
  return async () => {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while ((await process.identity()) === before && Date.now() < deadline) await sleep(POLL_MS);
    await untilReady(process);
  };
}

const kill: Fault = {
  name: "kill",
  summary: "A process gets SIGKILL and is restarted at once.",
  lastsMs: [0, 0],
  subjects: subjectsOf(() => true),
  inject: ({ system, subject }) => endBy(processOf(system, subject), "SIGKILL"),
};

const terminate: Fault = {
  name: "terminate",
  summary: "A service, a broker or Redis gets SIGTERM, ends cleanly and is restarted at once.",
  lastsMs: [0, 0],
  subjects: subjectsOf(({ kind }) => kind !== "postgres"),
  inject: ({ system, subject }) => endBy(processOf(system, subject), "SIGTERM"),
};

const keptDown: Fault = {
  name: "kept-down",
  summary: "A process gets SIGKILL, and is restarted only after a while.",
  lastsMs: [3_000, 15_000],
  shows: ["service-down", "source-unavailable", "log-unavailable", "database-unavailable", "cache-off"],
  subjects: subjectsOf(({ hold }) => hold !== undefined),
  inject: async ({ system, subject }) => {
    const process = processOf(system, subject);
    const release = await process.hold!();
    try {
      await process.signal("SIGKILL");
    } catch (error) {
      await release();
      throw error;
    }
    return async () => {
      await release();
      await untilReady(process);
    };
  },
};

/** What may be shown while a process is suspended: it does not respond, or what needs it says so. */
const suspendedShows: readonly ConditionName[] = [
  ...["service-down", "source-unavailable", "log-unavailable", "database-unavailable", "cache-off"],
  ...["partition-stalled", "outbox-stalled", "status-unknown"],
] as ConditionName[];

const suspended = (name: string, summary: string, lastsMs: readonly [number, number]): Fault => ({
  name,
  summary,
  lastsMs,
  shows: suspendedShows,
  subjects: subjectsOf(() => true),
  inject: async ({ system, subject }) => {
    const process = processOf(system, subject);
    await process.signal("SIGSTOP");
    return async () => {
      // It may have been killed meanwhile, by another fault or by its supervisor.
      await process.signal("SIGCONT").catch(() => {});
      await untilReady(process);
    };
  },
});

const rollingRestart: Fault = {
  name: "rolling-restart",
  summary: "All services are restarted, one instance after the other, as `bun run restart` does.",
  lastsMs: [0, 0],
  subjects: ({ rollingRestart }) => (rollingRestart ? ["all services"] : []),
  inject: async ({ system }) => {
    const restarted = system.rollingRestart!();
    restarted.catch(() => {}); // reported by the end
    return () => restarted;
  },
};

/** All faults of processes. */
export const processFaults: readonly Fault[] = [
  kill,
  terminate,
  keptDown,
  suspended("suspended", "A process gets SIGSTOP, and SIGCONT within seconds.", [300, 4_000]),
  suspended(
    "suspended-long",
    "A process gets SIGSTOP, and SIGCONT when its sessions and transactions have expired: another one has taken over.",
    [11_000, 16_000],
  ),
  rollingRestart,
];
