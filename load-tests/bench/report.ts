/** A bench result as text. */
import type { Figures } from "./figures.ts";
import type { HopFigures } from "./hops.ts";
import { comparison } from "./report-comparison.ts";
import { cpuTable, phaseCost } from "./report-cost.ts";
import { growth } from "./report-growth.ts";
import { table } from "./report-table.ts";
import type {
  AnyPhase,
  AwayPhase,
  BenchResult,
  BulkPhase,
  ClientsPhase,
  IdlePhase,
  Phase,
  RatePhase,
  SystemRun,
} from "./result.ts";

/** The result as tables. Times are in milliseconds. */
export function report(result: BenchResult): string {
  const { machine, runs } = result;
  const isComparison = runs.some(({ system }) => system !== "lockstep");
  const stacks = runs.filter(({ system }) => system === "lockstep");
  const ofState = (state: SystemRun["state"]) => stacks.filter((run) => run.state === state);
  return [
    `${machine.cpus} CPUs (${machine.model}), ${machine.memoryGb} GB, Linux ${machine.kernel}, Bun ${machine.bun}, load before ${machine.loadBefore.toFixed(2)}`,
    ...runs.flatMap(({ phases, ...run }) => [heading(run), ...phases.map(phaseText)]),
    ...(["warm", "new"] as const)
      .filter((state) => !isComparison && ofState(state).length > 0)
      .map((state) => `Lockstep, ${state} processes. ${cpuTable(ofState(state))}`),
    ...(isComparison ? [comparison(runs)] : []),
    ...(result.away ? [catchUp(result.away)] : []),
    ...(result.growth.length > 0 ? [growth(result.growth)] : []),
    result.equal ? "Source and replicas are equal by content." : differencesText(result),
  ].join("\n\n");
}

const NAMES = {
  lockstep: "Lockstep",
  pglogical: "PostgreSQL's own logical replication",
  "dual-write": "A tutorial's dual write",
} as const;

function heading({
  system,
  round,
  state,
  warmUpSeconds,
  copies,
  brokers,
  loadBefore,
}: Omit<SystemRun, "phases">): string {
  const brokersText = brokers > 0 ? `, ${brokers} broker(s)` : "";
  const stateText = state === "new" ? "new processes" : `warm processes (${warmUpSeconds} s at 200/s before)`;
  return `== ${NAMES[system]}, round ${round}, ${stateText}, copies: ${copies.join(", ")}${brokersText}, load before ${loadBefore.toFixed(2)}`;
}

function phaseText(phase: AnyPhase): string {
  switch (phase.kind) {
    case "idle":
      return idlePhase(phase);
    case "rate":
      return ratePhase(phase);
    case "bulk":
      return bulkPhase(phase);
    case "clients":
      return clientsPhase(phase);
    default:
      return phase satisfies never;
  }
}

const idlePhase = (phase: IdlePhase): string =>
  `${phase.name}: ${phase.costSeconds.toFixed(1)} s without writes\n${phaseCost(phase)}`;

const outcome = ({ sent, acknowledged, failed }: RatePhase | ClientsPhase): string => {
  const failures = Object.entries(failed).map(([status, count]) => `${count} x ${status}`);
  return `${sent} writes, ${acknowledged} acknowledged, ${failures.join(", ") || "none failed"}`;
};

const ratePhase = (phase: RatePhase): string =>
  [
    `${phase.name}: ${phase.seconds.toFixed(1)} s, ${outcome(phase)}; all applied ${phase.settledAfterSeconds.toFixed(1)} s after the last`,
    latencies(
      [
        ["acknowledged at the client", phase.ackMs],
        ["generator late by", phase.generator.lateMs],
      ],
      phase,
    ),
    phaseCost(phase, phase.generator.cpuSeconds),
  ].join("\n");

const clientsPhase = (phase: ClientsPhase): string =>
  [
    `${phase.name}: ${outcome(phase)}; ${phase.acknowledgedPerSecond.toFixed(0)}/s acknowledged, ${phase.appliedPerSecond.toFixed(0)}/s until all copies had them`,
    latencies([["acknowledged at the client", phase.ackMs]], phase),
    phaseCost(phase, phase.generator.cpuSeconds),
  ].join("\n");

const bulkPhase = (phase: BulkPhase): string =>
  [
    `${phase.name}: ${phase.rowChanges} row changes; source alone ${phase.sourceRowsPerSecond.toFixed(0)} rows/s, until all copies had them ${phase.rowsPerSecond.toFixed(0)} rows/s (${phase.seconds.toFixed(1)} s)`,
    latencies([], phase),
    phaseCost(phase),
  ].join("\n");

/** The share of a hop in the mean latency. Means add up, percentiles do not. */
const shareOfHops = ({ published, routed, applied }: HopFigures) => {
  const total = published.mean + routed.mean + applied.mean;
  return ({ mean }: Figures): string => (total > 0 ? ` (${((100 * mean) / total).toFixed(0)} %)` : "");
};

const latencies = (first: readonly (readonly [string, Figures])[], { replicas, missingInRedis }: Phase): string => {
  const rows: [string, Figures][] = [...first.map(([name, figures]): [string, Figures] => [name, figures])];
  for (const [name, latency] of Object.entries(replicas)) {
    rows.push([`commit to ${name}'s commit`, latency.commitToCommitMs]);
    if (latency.hopsMs) {
      const share = shareOfHops(latency.hopsMs);
      rows.push(
        [`  until published${share(latency.hopsMs.published)}`, latency.hopsMs.published],
        [`  then until routed${share(latency.hopsMs.routed)}`, latency.hopsMs.routed],
        [`  then until committed${share(latency.hopsMs.applied)}`, latency.hopsMs.applied],
      );
    }
    if (latency.commitToRedisMs.count > 0) rows.push([`commit to ${name}'s Redis (sample)`, latency.commitToRedisMs]);
  }
  const body = rows.map(([name, f]) => [name, f.count, ...[f.p50, f.p90, f.p99, f.max].map((ms) => ms.toFixed(1))]);
  const histograms = Object.entries(replicas).flatMap(([name, { histogramMs }]) =>
    Object.entries(histogramMs)
      .filter(([, h]) => h.count > 0)
      .map(([store, h]) => [`${name} itself says, ${store}`, h.count, h.p50.toFixed(1), "", h.p99.toFixed(1), ""]),
  );
  const missing = missingInRedis > 0 ? `\n${missingInRedis} sampled writes never showed up in Redis` : "";
  return table([["milliseconds", "count", "p50", "p90", "p99", "max"], ...body, ...histograms]) + missing;
};

const catchUp = ({ replica, awaySeconds, resumedSeconds, catchUpSeconds, phase }: AwayPhase): string =>
  `${replica}, away for ${awaySeconds} s at ${phase.ratePerSecond} writes/s (${phase.acknowledged} acknowledged of ${phase.sent}): began ${resumedSeconds.toFixed(1)} s after its return, had caught up after ${catchUpSeconds.toFixed(1)} s`;

const differencesText = ({ runs, away }: BenchResult): string => {
  const phases = [...runs.filter(({ system }) => system === "lockstep").flatMap((run) => run.phases), away?.phase];
  const lines = phases.flatMap((phase) =>
    phase && phase.kind !== "idle" ? phase.differences.map((difference) => `${phase.name}: ${difference}`) : [],
  );
  return [`SOURCE AND REPLICAS DIFFER in ${lines.length} places:`, ...lines.slice(0, 20)].join("\n");
};
