/** `bun run status`: what runs, where, and whether it can do its work. */
import { table } from "../platform/table.ts";
import { type Health, healthOf } from "./health.ts";
import { CRASH_MEMORY_MS, MANY_CRASHES, recentCrashes } from "./pauses.ts";
import { stillRuns } from "./processes.ts";
import { type Entry, processOf, readState, runningSupervisor } from "./state.ts";

/** One process or server as `status --json` tells it. */
export interface ServiceStatus {
  readonly name: string;
  readonly kind: string;
  /** From 1. */
  readonly instance: number;
  /** Null while it is down, and for a server that is not ours. */
  readonly pid: number | null;
  readonly url: string;
  /** Of all instances together, where there are several that clients ask. */
  readonly sharedUrl?: string;
  readonly health: Health["health"];
  readonly reason?: string;
  readonly restarts: number;
  /** Crashes within the last minute. */
  readonly crashes: number;
}

export interface StackStatus {
  /** All is ready, and a canary write was seen in every replica since `up`. */
  readonly ready: boolean;
  readonly supervisor: { readonly pid: number } | null;
  readonly services: readonly ServiceStatus[];
}

/** Asks everything at once; answers within about two seconds. */
export async function stackStatus(data: string): Promise<StackStatus> {
  const state = readState(data);
  const supervisor = runningSupervisor(data);
  const services = await Promise.all((state?.entries ?? []).map(serviceStatus));
  const ready = state?.ready === true && supervisor !== undefined;
  return {
    ready: ready && services.every((s) => s.health === "ready"),
    supervisor: supervisor ? { pid: supervisor.pid } : null,
    services,
  };
}

async function serviceStatus(entry: Entry): Promise<ServiceStatus> {
  const known = processOf(entry);
  const gone = known !== undefined && !stillRuns(known);
  const { name, kind, instance, url, restarts } = entry;
  // A process that is gone is down, even if a stranger answers on its port.
  const absence = url === "" ? "not started yet" : gone ? "its process is gone" : undefined;
  const health: Health = absence ? { health: "down", reason: absence } : await healthOf(kind, url, entry.pid === null);
  return {
    name,
    kind,
    instance,
    pid: gone ? null : entry.pid,
    url,
    ...(entry.sharedUrl ? { sharedUrl: entry.sharedUrl } : {}),
    ...health,
    restarts,
    crashes: recentCrashes(entry.crashedAt, Date.now()).length,
  };
}

/** The status for people: a table, and a line for each thing that is not as it should be. */
export function statusText(status: StackStatus, data: string): string {
  if (status.services.length === 0 && !status.supervisor) return `nothing runs on ${data}; start it with: bun run up`;
  const rows = status.services.map((s) => [
    s.name,
    s.kind,
    String(s.instance),
    s.pid === null ? "-" : String(s.pid),
    s.health,
    String(s.restarts),
    s.sharedUrl ? `${s.url} (shared: ${s.sharedUrl})` : s.url,
  ]);
  return [table([["NAME", "KIND", "INSTANCE", "PID", "HEALTH", "RESTARTS", "URL"], ...rows]), ...remarks(status)].join(
    "\n",
  );
}

function* remarks({ ready, supervisor, services }: StackStatus): Iterable<string> {
  for (const s of services) {
    if (s.reason) yield `${s.name} ${s.instance}: ${s.health}: ${s.reason.replace(/\s+/g, " ").slice(0, 300)}`;
    if (s.crashes >= MANY_CRASHES)
      yield `${s.name} ${s.instance}: crashed ${s.crashes} times within ${CRASH_MEMORY_MS / 1000} s; its log says why`;
  }
  if (!supervisor)
    yield "the supervisor is gone: nothing is started again; `bun run down` ends the rest, `bun run up` starts anew";
  yield ready ? "ready" : "not ready";
}
