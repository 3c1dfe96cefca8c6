/** The cost of a run as text: a table for each phase, and one of CPU over all phases. */
import {
  isCounted,
  memoryOf,
  othersOf,
  otherWork,
  requestsByKind,
  servicesOf,
  totalCost,
  type UnitCost,
  unitCost,
} from "./cost.ts";
import { table } from "./report-table.ts";
import type { AnyPhase, PhaseCost, SystemRun } from "./result.ts";

const fixed = (value: number | undefined, digits: number) => (value === undefined ? "-" : value.toFixed(digits));
/** A rate of 0.004 per write should not become 0.0. */
const perWrite = (value: number | undefined) => fixed(value, value !== undefined && value < 10 ? 2 : 0);

const isBulk = (phase: PhaseCost): boolean => "kind" in phase && phase.kind === "bulk";

/** CPU in the unit of the phase: percent of one core when idle, microseconds in a bulk, milliseconds otherwise. */
const cpuText = (phase: PhaseCost, ms: number): string => {
  if (phase.writes === 0) return (ms / 10).toFixed(1);
  return isBulk(phase) ? (ms * 1_000).toFixed(1) : ms.toFixed(2);
};

const unitOf = (phase: PhaseCost): string => {
  if (phase.writes === 0) return "% of a core, and per second";
  return isBulk(phase) ? "µs of CPU, and per row" : "ms of CPU, and per write";
};

const costCells = (phase: PhaseCost, cost: UnitCost): string[] => [
  cpuText(phase, cost.cpuMs),
  cpuText(phase, cost.userMs),
  cpuText(phase, cost.systemMs),
  perWrite(cost.switches),
  perWrite(cost.systemCalls),
  perWrite(cost.requests),
];

const mb = (value: number) => value.toFixed(0);

/** What each process used in a phase. @param generatorSeconds CPU time of the load generator. */
export function phaseCost(phase: PhaseCost, generatorSeconds = 0): string {
  const { cores, steal } = otherWork(phase, generatorSeconds);
  const rows = phase.processes.map((process) => [
    isCounted(process) ? process.name : `${process.name} (not counted)`,
    ...costCells(phase, unitCost(phase, [process])),
    ...[process.peakMemoryMb, process.memoryMb, process.settledMemoryMb].map(mb),
  ]);
  const kinds = requestsByKind(phase).map(([kind, requests]) => `${kind} ${requests.toFixed(2)}`);
  const unit = phase.writes > 0 ? "per write" : "per second";
  return [
    table([
      [unitOf(phase), "CPU", "user", "system", "switches", "calls", "requests", "peak MB", "end MB", "3 s later"],
      ...rows,
      ["all that count", ...costCells(phase, totalCost(phase))],
    ]),
    `  Other work on the machine, the bench itself included: ${cores.toFixed(2)} cores; taken by the host: ${steal.toFixed(2)} cores`,
    ...(kinds.length > 0 ? [`  Requests at the broker ${unit}: ${kinds.join(", ")}`] : []),
  ].join("\n");
}

const headingOf = (phase: AnyPhase): string => {
  switch (phase.kind) {
    case "idle":
      return "idle, % of a core";
    case "rate":
      return `${phase.ratePerSecond}/s`;
    case "bulk":
      return "bulk, µs/row";
    case "clients":
      return `${phase.clients} clients`;
    default:
      return phase satisfies never;
  }
};

/** CPU of each process over all phases of some runs of the same system, and the memory after the bulk. */
export function cpuTable(runs: readonly SystemRun[]): string {
  const phases = runs.flatMap((run) => run.phases);
  const names = [
    ...new Map(phases.flatMap(({ processes }) => processes).map((process) => [process.name, process])).values(),
  ];
  const cell = (phase: AnyPhase, name: string) => {
    const process = phase.processes.find((one) => one.name === name);
    return process ? cpuText(phase, unitCost(phase, [process]).cpuMs) : "-";
  };
  const total = (name: string, pick: (cost: UnitCost) => string | number) => [
    name,
    ...phases.map((phase) => pick(totalCost(phase))),
  ];
  const [run] = runs;
  const [first] = phases;
  const others = run && first ? othersOf(first, run) : { counted: [], notCounted: [] };
  const memory = runs.flatMap((one) =>
    one.phases.filter(({ kind }) => kind === "bulk").map((phase) => memoryOf(servicesOf(phase, one))),
  );
  return [
    "CPU of each process, ms per write unless said otherwise:",
    table([
      ["", ...phases.map(headingOf)],
      ...names.filter(isCounted).map(({ name }) => [name, ...phases.map((phase) => cell(phase, name))]),
      ["all", ...phases.map((phase) => cpuText(phase, totalCost(phase).cpuMs))],
      total("voluntary switches", ({ switches }) => perWrite(switches)),
      total("system calls", ({ systemCalls }) => perWrite(systemCalls)),
      total("requests at the broker", ({ requests }) => perWrite(requests)),
      ...names
        .filter((process) => !isCounted(process))
        .map(({ name }) => [`${name}, not in all`, ...phases.map((phase) => cell(phase, name))]),
    ]),
    ...(others.counted.length > 0 ? [`  Also running, and in all: ${others.counted.join(", ")}.`] : []),
    ...(others.notCounted.length > 0 ? [`  Also running, and not in all: ${others.notCounted.join(", ")}.`] : []),
    ...memory.map(
      ({ peakMb, memoryMb, settledMb }) =>
        `  Memory of gateway, relay, stream and ${run?.copies.join(", ")} after the bulk: ${mb(memoryMb)} MB, 3 s later ${mb(settledMb)} MB; sum of their peaks ${mb(peakMb)} MB`,
    ),
  ].join("\n");
}
