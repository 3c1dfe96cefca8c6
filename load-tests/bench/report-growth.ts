/** The growth of a stack as text. */
import { totalCost, unitCost } from "./cost.ts";
import { table } from "./report-table.ts";
import type { GrowthPoint } from "./result.ts";

/** Returns the table, with a column for each number of products. */
export function growth(points: readonly GrowthPoint[]): string {
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
        (point) =>
          unitCost(
            point.phase,
            [processOf(point, name)].flatMap((process) => process ?? []),
          ).cpuMs,
        2,
      ),
    ),
    row("all that count, ms of CPU per write", ({ phase }) => totalCost(phase).cpuMs, 2),
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
