/** A bench result as text. */
import type { Figures } from "./figures.ts";
import type { AwayPhase, BenchResult, BulkPhase, GrowthPoint, HttpPhase, Phase } from "./result.ts";

/** The result as tables. Times are in milliseconds. */
export function report(result: BenchResult): string {
  const { machine } = result;
  return [
    `${machine.cpus} CPUs (${machine.model}), ${machine.memoryGb} GB, Linux ${machine.kernel}, Bun ${machine.bun}, ${systemOf(result)}, load before ${machine.loadBefore.toFixed(2)}`,
    ...result.http.map(httpPhase),
    ...(result.bulk ? [bulkPhase(result.bulk)] : []),
    ...(result.away ? [catchUp(result.away)] : []),
    ...(result.growth.length > 0 ? [growth(result.growth)] : []),
    ...(result.brokers > 0
      ? [`Memory of gateway, relay, stream and replicas at the end: ${result.servicesMemoryMb.toFixed(0)} MB`]
      : []),
    result.equal ? "Source and replicas are equal by content." : differencesText(result),
  ].join("\n\n");
}

const systemOf = ({ brokers }: BenchResult) =>
  brokers > 0 ? `${brokers} broker(s)` : "PostgreSQL's own logical replication";

const httpPhase = (phase: HttpPhase): string => {
  const failed = Object.entries(phase.failed).map(([status, count]) => `${count} x ${status}`);
  return [
    `${phase.name}: ${phase.sent} writes in ${phase.seconds.toFixed(1)} s, ${phase.acknowledged} acknowledged, ${failed.join(", ") || "none failed"}; all applied ${phase.settledAfterSeconds.toFixed(1)} s after the last`,
    latencies(
      [
        ["acknowledged at the client", phase.ackMs],
        ["generator late by", phase.generator.lateMs],
      ],
      phase,
    ),
    usage(phase),
  ].join("\n");
};

const bulkPhase = (phase: BulkPhase): string =>
  [
    `${phase.name}: ${phase.rowChanges} row changes; source alone ${phase.sourceRowsPerSecond.toFixed(0)} rows/s, until all replicas had them ${phase.rowsPerSecond.toFixed(0)} rows/s (${phase.seconds.toFixed(1)} s)`,
    latencies([], phase),
    usage(phase),
  ].join("\n");

const latencies = (first: readonly (readonly [string, Figures])[], { replicas, missingInRedis }: Phase): string => {
  const rows: [string, Figures][] = [...first.map(([name, figures]): [string, Figures] => [name, figures])];
  for (const [name, latency] of Object.entries(replicas)) {
    rows.push([`commit to ${name}'s commit`, latency.commitToCommitMs]);
    if (latency.hopsMs)
      rows.push(
        ["  until published", latency.hopsMs.published],
        ["  then until routed", latency.hopsMs.routed],
        ["  then until committed", latency.hopsMs.applied],
      );
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

/** A column for each number of products. */
function growth(points: readonly GrowthPoint[]): string {
  const row = (name: string, pick: (point: GrowthPoint) => number, digits = 0) => [
    name,
    ...points.map((point) => pick(point).toFixed(digits)),
  ];
  const [first] = points;
  const replicas = Object.keys(first?.phase.replicas ?? {});
  const services = first?.phase.processes.map(({ name }) => name) ?? [];
  const processOf = ({ phase }: GrowthPoint, name: string) => phase.processes.find((process) => process.name === name);
  return table([
    ["products", ...points.map(({ products }) => String(products))],
    row("loaded, rows/s until all have them", ({ loadedRows, loadSeconds }) => loadedRows / loadSeconds),
    row("acknowledged, ms p50", ({ phase }) => phase.ackMs.p50, 1),
    ...replicas.flatMap((name) => [
      row(`commit to ${name}'s commit, ms p50`, ({ phase }) => phase.replicas[name]?.commitToCommitMs.p50 ?? 0, 1),
      row(`commit to ${name}'s commit, ms p99`, ({ phase }) => phase.replicas[name]?.commitToCommitMs.p99 ?? 0, 1),
    ]),
    ...services.map((name) =>
      row(
        `${name}, ms of CPU per write`,
        (p) => ((processOf(p, name)?.cpuSeconds ?? 0) * 1_000) / p.phase.acknowledged,
        2,
      ),
    ),
    row(
      "all together, ms of CPU per write",
      ({ phase }) =>
        (phase.processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) * 1_000) / phase.acknowledged,
      2,
    ),
    row("stream, peak MB", (point) => processOf(point, "stream")?.peakMemoryMb ?? 0),
    ...(first?.restarted ?? []).map(({ name, instance }) =>
      row(
        `${name} ${instance}, ms from SIGTERM to ready`,
        ({ restarted }) => restarted.find((r) => r.name === name && r.instance === instance)?.backMs ?? 0,
      ),
    ),
    row("stream killed, its memory from the log: ms until changes flow", ({ streamRestoreMs }) => streamRestoreMs),
    row("verify of everything, ms", ({ verifyMs }) => verifyMs),
  ]);
}

const usage = ({ processes }: Phase): string =>
  table([
    ["process", "CPU s", "peak MB", "end MB"],
    ...processes.map((p) => [p.name, p.cpuSeconds.toFixed(1), p.peakMemoryMb.toFixed(0), p.memoryMb.toFixed(0)]),
  ]);

const differencesText = ({ http, bulk }: BenchResult): string => {
  const lines = [...http, ...(bulk ? [bulk] : [])].flatMap(({ name, differences }) =>
    differences.map((d) => `${name}: ${d}`),
  );
  return [`SOURCE AND REPLICAS DIFFER in ${lines.length} places:`, ...lines.slice(0, 20)].join("\n");
};

/** Aligns columns: the first to the left, numbers to the right. */
function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? "").length))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? String(cell).padEnd(widths[0] ?? 0) : String(cell).padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join("\n");
}
