/** `bun run status`: the processes and servers of a stack, and their health. */
import type { ReportedCondition } from "../platform/http/read-readiness.ts";
import { table } from "../platform/table.ts";
import { type Health, healthOf } from "./health.ts";
import { isHeld } from "./hold.ts";
import { labelOf } from "./plan.ts";
import { isRunning } from "./processes.ts";
import { commandText } from "./program.ts";
import { CRASH_LOOP_COUNT, CRASH_WINDOW_MS, recentCrashes } from "./restart-delay.ts";
import { processOf, readState, runningSupervisor, type StateEntry } from "./state.ts";

/** One process or server in the output of `status --json`. */
export interface ServiceStatus {
  readonly name: string;
  readonly kind: string;
  /** From 1. */
  readonly instance: number;
  /** Null while the process is down, and for an external server. */
  readonly pid: number | null;
  readonly url: string;
  /** Address of all instances together, when a service for clients has several. */
  readonly sharedUrl?: string;
  readonly health: Health["health"];
  /** Why it is not ready. */
  readonly reason?: string;
  /** Conditions that a service reports; absent while there are none. A service can be ready and report some. */
  readonly conditions?: readonly ReportedCondition[];
  readonly restarts: number;
  /** Crashes within the last minute. */
  readonly crashes: number;
}

/** The output of `status --json`. */
export interface StackStatus {
  /** True when `up` has finished and every service and server is ready. A ready service may report conditions. */
  readonly ready: boolean;
  readonly supervisor: { readonly pid: number } | null;
  readonly services: readonly ServiceStatus[];
}

/** Checks the health of all entries at the same time; takes about two seconds at most. */
export async function stackStatus(data: string): Promise<StackStatus> {
  const state = readState(data);
  const supervisor = runningSupervisor(data);
  const services = await Promise.all(
    (state?.entries ?? []).map((entry) => serviceStatus(entry, isHeld(data, labelOf(entry)))),
  );
  const ready = state?.ready === true && supervisor !== undefined;
  return {
    ready: ready && services.every((s) => s.health === "ready"),
    supervisor: supervisor ? { pid: supervisor.pid } : null,
    services,
  };
}

async function serviceStatus(entry: StateEntry, held: boolean): Promise<ServiceStatus> {
  const { name, kind, instance, url, restarts } = entry;
  const owner = processOf(entry);
  const isGone = owner !== undefined && !isRunning(owner);
  const downReason = downReasonOf(entry, isGone, held);
  const health: Health = downReason
    ? { health: "down", reason: downReason }
    : await healthOf(kind, url, entry.pid === null);
  return {
    name,
    kind,
    instance,
    pid: isGone ? null : entry.pid,
    url,
    ...(entry.sharedUrl ? { sharedUrl: entry.sharedUrl } : {}),
    ...health,
    restarts,
    crashes: recentCrashes(entry.crashedAt, Date.now()).length,
  };
}

/** Why a service is certainly down. When its process has ended, another process may answer on its port. */
function downReasonOf({ url, pid }: StateEntry, isGone: boolean, held: boolean): string | undefined {
  if (url === "") return "not started yet";
  if (held && (isGone || pid === null)) return `stopped by ${commandText("stop")}`;
  return isGone ? "its process has ended" : undefined;
}

/**
 * The status as text: a table, then a line for each problem.
 *
 * @param showSecrets false replaces each password of a URL with `***`.
 */
export function statusText(status: StackStatus, data: string, showSecrets = false): string {
  if (status.services.length === 0 && !status.supervisor)
    return `nothing runs on ${data}; start it with: ${commandText("up")}`;
  const rows = status.services.map((s) => [
    s.name,
    s.kind,
    String(s.instance),
    s.pid === null ? "-" : String(s.pid),
    s.health,
    String(s.restarts),
    s.sharedUrl ? `${s.url} (shared: ${s.sharedUrl})` : s.url,
  ]);
  const heading = ["NAME", "KIND", "INSTANCE", "PID", "HEALTH", "RESTARTS", "URL"];
  const text = [table([heading, ...rows]), ...problems(status)].join("\n");
  return showSecrets ? text : maskPasswords(text);
}

/** Masks `scheme://user:password@host` and `?password=…` in a text. */
const maskPasswords = (text: string): string =>
  text.replace(/(\w+:\/\/[^\s:@/]*:)[^\s/]*@/g, "$1***@").replace(/([?&]password=)[^&\s)]+/g, "$1***");

function* problems({ ready, supervisor, services }: StackStatus): Iterable<string> {
  for (const s of services) {
    if (s.reason) yield `${s.name} ${s.instance}: ${s.health}: ${oneLine(s.reason)}`;
    for (const condition of s.conditions ?? []) yield `${s.name} ${s.instance}: ${conditionText(condition)}`;
    if (s.crashes >= CRASH_LOOP_COUNT)
      yield `${s.name} ${s.instance}: crashed ${s.crashes} times within ${CRASH_WINDOW_MS / 1000} s; see its log`;
  }
  if (!supervisor)
    yield `the supervisor is not running, so nothing is restarted: stop the rest with \`${commandText("down")}\`, or start again with \`${commandText("up")}\``;
  const names = [...new Set(services.flatMap(({ conditions = [] }) => conditions.map(({ condition }) => condition)))];
  yield `${ready ? "ready" : "not ready"}${names.length > 0 ? `, with conditions: ${names.join(", ")}` : ""}`;
}

const conditionText = ({ condition, problem, since, remedy }: ReportedCondition): string =>
  `${condition}${since ? ` since ${since}` : ""}: ${oneLine(problem)}; ${remedy}`;

const oneLine = (text: string): string => text.replace(/\s+/g, " ").slice(0, 300);
