/** The comparison of systems that took turns, as text: medians and ranges over the rounds. */
import { totalCost } from "./cost.ts";
import { medianOf } from "./figures.ts";
import { table } from "./report-table.ts";
import type { AnyPhase, BulkPhase, ClientsPhase, Phase, RatePhase, SystemName, SystemRun } from "./result.ts";

/** `median (min to max)`; only the value when there is one. `-` for none. */
export function rangeText(values: readonly number[], digits: number): string {
  const range = medianOf(values);
  if (!range) return "-";
  const text = (value: number) => value.toFixed(digits);
  return values.length === 1 ? text(range.median) : `${text(range.median)} (${text(range.min)} to ${text(range.max)})`;
}

/** The copy with the largest median latency. */
const slowest = ({ replicas }: Phase) =>
  Object.values(replicas)
    .map(({ commitToCommitMs }) => commitToCommitMs)
    .sort((a, b) => b.p50 - a.p50)[0];

interface Row {
  readonly name: string;
  readonly digits: number;
  /** Undefined: this phase has no such figure. */
  readonly pick: (phase: AnyPhase) => number | undefined;
}

const atRate = (rate: number, pick: (phase: RatePhase) => number | undefined) => (phase: AnyPhase) =>
  phase.kind === "rate" && phase.ratePerSecond === rate ? pick(phase) : undefined;
const inBulk = (pick: (phase: BulkPhase) => number) => (phase: AnyPhase) =>
  phase.kind === "bulk" ? pick(phase) : undefined;
const byClients = (pick: (phase: ClientsPhase) => number) => (phase: AnyPhase) =>
  phase.kind === "clients" ? pick(phase) : undefined;

const rowsOfRate = (rate: number): Row[] => [
  { name: `${rate}/s, commit to commit, ms p50`, digits: 1, pick: atRate(rate, (phase) => slowest(phase)?.p50) },
  { name: `${rate}/s, commit to commit, ms p99`, digits: 1, pick: atRate(rate, (phase) => slowest(phase)?.p99) },
  { name: `${rate}/s, acknowledged, ms p50`, digits: 1, pick: atRate(rate, ({ ackMs }) => ackMs.p50) },
  { name: `${rate}/s, acknowledged, ms p99`, digits: 1, pick: atRate(rate, ({ ackMs }) => ackMs.p99) },
  { name: `${rate}/s, CPU, ms per write`, digits: 2, pick: atRate(rate, (phase) => totalCost(phase).cpuMs) },
];

const failedOf = (phase: AnyPhase): number =>
  phase.kind === "rate" || phase.kind === "clients" ? phase.sent - phase.acknowledged : 0;

/** Returns the table, with a column for each system. */
export function comparison(runs: readonly SystemRun[]): string {
  const systems = [...new Set(runs.map(({ system }) => system))];
  const phasesOf = (system: SystemName) => runs.filter((run) => run.system === system).flatMap((run) => run.phases);
  const rates = [
    ...new Set(runs.flatMap(({ phases }) => phases.flatMap((p) => (p.kind === "rate" ? [p.ratePerSecond] : [])))),
  ];
  const rows: Row[] = [
    ...rates.flatMap(rowsOfRate),
    { name: "bulk, rows/s until all copies have them", digits: 0, pick: inBulk(({ rowsPerSecond }) => rowsPerSecond) },
    { name: "bulk, CPU, µs per row", digits: 0, pick: inBulk((phase) => 1_000 * totalCost(phase).cpuMs) },
    {
      name: "64 clients, acknowledged per s",
      digits: 0,
      pick: byClients(({ acknowledgedPerSecond }) => acknowledgedPerSecond),
    },
    {
      name: "64 clients, per s until all copies have them",
      digits: 0,
      pick: byClients(({ appliedPerSecond }) => appliedPerSecond),
    },
    { name: "64 clients, CPU, ms per write", digits: 2, pick: byClients((phase) => totalCost(phase).cpuMs) },
  ];
  const copiesOf = (system: SystemName) => runs.find((run) => run.system === system)?.copies.length ?? 0;
  const rounds = Math.max(...runs.map(({ round }) => round));
  const loads = runs.map(({ loadBefore }) => loadBefore);
  return [
    `Systems in turns, ${rounds} round(s)${rounds > 1 ? ", median (least to most)" : ""}; load before each ${rangeText(loads, 1)}:`,
    table([
      ["", ...systems],
      ["copies", ...systems.map(copiesOf)],
      ...rows
        .map(({ name, digits, pick }) => [
          name,
          ...systems.map((system) =>
            rangeText(
              phasesOf(system).flatMap((phase) => pick(phase) ?? []),
              digits,
            ),
          ),
        ])
        .filter(([, ...cells]) => cells.some((cell) => cell !== "-")),
      ["writes that failed", ...systems.map((system) => phasesOf(system).reduce((sum, p) => sum + failedOf(p), 0))],
      ["copies equal to the source", ...systems.map((system) => equality(phasesOf(system)))],
    ]),
    "  Commit to commit is of the slowest copy. The dual write makes no promise; its SQL changes do not reach the copy.",
  ].join("\n");
}

function equality(phases: readonly AnyPhase[]): string {
  const compared = phases.filter((phase) => phase.kind !== "idle");
  const differing = compared.filter(({ differences }) => differences.length > 0);
  const rows = differing.reduce((sum, { differences }) => sum + differences.length, 0);
  return differing.length === 0
    ? `yes, ${compared.length} of ${compared.length}`
    : `no, ${rows} rows differ in ${differing.length} of ${compared.length}`;
}
