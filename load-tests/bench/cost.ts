/** What a phase cost, per write or, without writes, per second. Pure. */
import { type RequestCounts, totalRequests } from "./broker-requests.ts";
import type { PhaseCost, ProcessCost, SystemRun } from "./result.ts";

/** Kinds of processes that observe a stack. Their cost is shown, but not counted: a stack works without them. */
const OBSERVER_KINDS: ReadonlySet<string> = new Set(["console", "prometheus", "grafana", "jaeger"]);

/** True for a process whose cost counts. The load generator is no process of the system, so it never counts. */
export const isCounted = ({ kind }: Pick<ProcessCost, "kind">): boolean => !OBSERVER_KINDS.has(kind);

/** Cost of one write, or of one second of an idle system. A figure that was not measured is undefined. */
export interface UnitCost {
  /** CPU time in milliseconds. */
  readonly userMs: number;
  readonly systemMs: number;
  readonly cpuMs: number;
  /** Voluntary context switches. */
  readonly switches: number;
  /** Undefined for an idle system. */
  readonly systemCalls: number | undefined;
  readonly requests: number | undefined;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Cost of some processes of a phase together. System calls and requests are those of the processes that have them. */
export function unitCost(phase: PhaseCost, processes: readonly ProcessCost[]): UnitCost {
  const units = phase.writes > 0 ? phase.writes : phase.costSeconds;
  const per = (value: (process: ProcessCost) => number) => sum(processes.map(value)) / units;
  const traced = processes.flatMap(({ systemCalls }) => (systemCalls && systemCalls.writes > 0 ? [systemCalls] : []));
  const counting = processes.flatMap(({ brokerRequests }) => (brokerRequests ? [brokerRequests] : []));
  return {
    userMs: 1_000 * per(({ userSeconds }) => userSeconds),
    systemMs: 1_000 * per(({ systemSeconds }) => systemSeconds),
    cpuMs: 1_000 * per(({ cpuSeconds }) => cpuSeconds),
    switches: per(({ voluntarySwitches }) => voluntarySwitches),
    systemCalls: traced.length > 0 ? sum(traced.map(({ calls, writes }) => calls / writes)) : undefined,
    requests: counting.length > 0 ? sum(counting.flatMap((counts) => Object.values(counts))) / units : undefined,
  };
}

/** How much of the machine other work took, in cores: neither the system and its console nor the load generator. */
export function otherWork(
  phase: PhaseCost,
  generatorSeconds: number,
): { readonly cores: number; readonly steal: number } {
  const { machine, costSeconds, processes } = phase;
  const known = sum(processes.map(({ cpuSeconds }) => cpuSeconds)) + generatorSeconds;
  return {
    cores: Math.max(0, machine.busySeconds - known) / costSeconds,
    steal: machine.stealSeconds / costSeconds,
  };
}

/** Cost of all processes that count. */
export const totalCost = (phase: PhaseCost): UnitCost => unitCost(phase, phase.processes.filter(isCounted));

/** Requests per write (idle: per second) by kind, of all services together, the most frequent first. */
export function requestsByKind(phase: PhaseCost): [kind: string, requests: number][] {
  const units = phase.writes > 0 ? phase.writes : phase.costSeconds;
  const counts = phase.processes.flatMap(({ name, brokerRequests }): [string, RequestCounts][] =>
    brokerRequests ? [[name, brokerRequests]] : [],
  );
  return Object.entries(totalRequests(Object.fromEntries(counts)))
    .map(([kind, count]): [string, number] => [kind, count / units])
    .filter(([, requests]) => requests > 0)
    .sort(([, a], [, b]) => b - a);
}

const SERVICE_KINDS: ReadonlySet<string> = new Set(["gateway", "relay", "stream", "replica"]);

const instanceOf = (name: string): string => name.split(" ")[0] ?? "";

/** Gateway, relay, stream and the replicas that have the measured entity: with two replicas the five services. */
export const servicesOf = ({ processes }: PhaseCost, { copies }: Pick<SystemRun, "copies">): ProcessCost[] =>
  processes.filter(
    ({ kind, name }) => SERVICE_KINDS.has(kind) && (kind !== "replica" || copies.includes(instanceOf(name))),
  );

/** Names of the processes that no measured write passes through. */
export const othersOf = (
  { processes }: PhaseCost,
  { copies }: Pick<SystemRun, "copies">,
): { readonly counted: string[]; readonly notCounted: string[] } => {
  const others = processes.filter(
    ({ kind, name }) =>
      (kind === "replica" && !copies.includes(instanceOf(name))) ||
      (kind === "postgres" &&
        name.endsWith("-db") &&
        !["gateway-db", ...copies.map((copy) => `${copy}-db`)].includes(name)) ||
      kind === "supervisor" ||
      OBSERVER_KINDS.has(kind),
  );
  const namesOf = (list: readonly ProcessCost[]) => list.map(({ name }) => name);
  return {
    counted: namesOf(others.filter(isCounted)),
    notCounted: namesOf(others.filter((other) => !isCounted(other))),
  };
};

/** Memory of processes together, in MB. */
export const memoryOf = (processes: readonly ProcessCost[]) => ({
  /** Sum of the peaks, which need not be at the same time. */
  peakMb: sum(processes.map(({ peakMemoryMb }) => peakMemoryMb)),
  memoryMb: sum(processes.map(({ memoryMb }) => memoryMb)),
  settledMb: sum(processes.map(({ settledMemoryMb }) => settledMemoryMb)),
});
