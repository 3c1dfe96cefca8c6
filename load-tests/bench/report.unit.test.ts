import { expect, test } from "bun:test";
import { report } from "./report.ts";
import { rangeText } from "./report-comparison.ts";
import type { BenchResult, BulkPhase, ClientsPhase, IdlePhase, ProcessCost, RatePhase, SystemRun } from "./result.ts";

const figures = { count: 10, mean: 1.5, p50: 1.25, p90: 2, p99: 3, max: 4 };
const store = { count: 10, p50: 1.5, p99: 3.5 };
const process = (name: string, kind: string, cost: Partial<ProcessCost> = {}): ProcessCost => ({
  name,
  kind,
  pid: 1,
  userSeconds: 1,
  systemSeconds: 0.5,
  cpuSeconds: 1.5,
  voluntarySwitches: 4_000,
  peakMemoryMb: 80.4,
  memoryMb: 70,
  settledMemoryMb: 60,
  brokerRequests: null,
  systemCalls: null,
  ...cost,
});
const processes = [
  process("relay", "relay", {
    brokerRequests: { produce: 1_000, fetch: 500 },
    systemCalls: { calls: 6_000, writes: 600 },
  }),
  process("catalog", "replica", { brokerRequests: { fetch: 1_000 } }),
  process("insights", "replica"),
  process("console", "console", { cpuSeconds: 100, userSeconds: 100, systemSeconds: 0, voluntarySwitches: 1e6 }),
];
const machine = { busySeconds: 140, stealSeconds: 3.1 };
const measured = {
  machine,
  seconds: 30.04,
  costSeconds: 31,
  missingInRedis: 2,
  replicas: {
    catalog: {
      commitToCommitMs: figures,
      hopsMs: { published: { ...figures, mean: 1 }, routed: { ...figures, mean: 1 }, applied: { ...figures, mean: 6 } },
      commitToRedisMs: figures,
      histogramMs: { postgres: store, redis: store },
    },
  },
  processes,
  settledAfterSeconds: 0.12,
  differences: [],
};
const requests = {
  sent: 2_010,
  acknowledged: 2_000,
  writes: 2_000,
  failed: { "503": 9, none: 1 },
  ackMs: figures,
  generator: { lateMs: figures, mostUnderWay: 7, cpuSeconds: 1 },
};
const rate: RatePhase = { kind: "rate", name: "HTTP at 200/s", ratePerSecond: 200, ...measured, ...requests };
const clients: ClientsPhase = {
  kind: "clients",
  name: "64 clients by HTTP",
  clients: 64,
  acknowledgedPerSecond: 2_600,
  appliedPerSecond: 2_500,
  ...measured,
  ...requests,
};
const bulk: BulkPhase = {
  kind: "bulk",
  name: "Bulk of 100000 by SQL",
  rowChanges: 100_000,
  sourceRowsPerSecond: 12_000,
  rowsPerSecond: 11_000,
  ...measured,
  writes: 100_000,
};
const idle: IdlePhase = { kind: "idle", name: "Idle", writes: 0, costSeconds: 20, machine, processes };
const run: SystemRun = {
  system: "lockstep",
  round: 1,
  state: "warm",
  warmUpSeconds: 60,
  copies: ["catalog"],
  brokers: 1,
  loadBefore: 0.1,
  phases: [idle, rate, bulk, clients],
};
const result: BenchResult = {
  at: "2026-11-23T10:00:00.000Z",
  machine: { cpus: 2, model: "a CPU", memoryGb: 25, kernel: "6", bun: "1.4.5", loadBefore: 0.1 },
  runs: [run],
  away: null,
  growth: [],
  equal: true,
};

const linesOf = (of: BenchResult) => report(of).split("\n");
const lineAfter = (lines: readonly string[], from: string, start: string) => {
  const begin = lines.findIndex((line) => line.startsWith(from));
  return lines.slice(begin).find((line) => line.trim().startsWith(start));
};

test("the report shows failures, missing writes, and the latencies of every replica with the share of each hop", () => {
  const lines = linesOf(result);
  const line = (start: string) => lineAfter(lines, "HTTP at 200/s", start);
  expect(line("HTTP at 200/s")).toContain("2000 acknowledged, 9 x 503, 1 x none");
  expect(line("commit to catalog's commit")).toMatch(/ 10 +1\.3 +2\.0 +3\.0 +4\.0$/);
  expect(line("until published (13 %)")).toBeDefined();
  expect(line("then until committed (75 %)")).toBeDefined();
  expect(line("catalog itself says, redis")).toMatch(/ 10 +1\.5 +3\.5$/);
  expect(line("2 sampled writes")).toBeDefined();
  expect(lines.at(-1)).toBe("Source and replicas are equal by content.");
});

test("cost is per write, in a bulk per row in microseconds, and idle in percent of a core", () => {
  const lines = linesOf(result);
  // 1.5 s of 2,000 writes; 4,000 switches; 6,000 calls beside 600 writes; 1,500 requests.
  const costs = (from: string, start: string) => lineAfter(lines, from, start)?.trim().split(/ {2,}/).slice(1);
  expect(costs("HTTP at 200/s", "relay")).toEqual(["0.75", "0.50", "0.25", "2.00", "10", "0.75", "80", "70", "60"]);
  expect(costs("Bulk", "relay")?.[0]).toBe("15.0");
  expect(costs("Idle:", "relay")?.[0]).toBe("7.5");
  // Three processes count; the console does not.
  expect(costs("HTTP at 200/s", "all that count")).toEqual(["2.25", "1.50", "0.75", "6.00", "10", "1.25"]);
  expect(costs("HTTP at 200/s", "console (not counted)")?.[0]).toBe("50.00");
  // 140 s less 104.5 s of all processes and 1 s of the generator, in 31 s.
  expect(lineAfter(lines, "HTTP at 200/s", "Other work")).toContain(": 1.11 cores; taken by the host: 0.10 cores");
  expect(lineAfter(lines, "HTTP at 200/s", "Requests")).toBe(
    "  Requests at the broker per write: fetch 0.75, produce 0.50",
  );
});

test("the table of CPU has a column for each phase, and names what else was running", () => {
  const lines = linesOf(result);
  const cells = (start: string) => lineAfter(lines, "Lockstep, warm processes", start)?.trim().split(/ {2,}/);
  expect(cells("idle")).toEqual(["idle, % of a core", "200/s", "bulk, µs/row", "64 clients"]);
  expect(cells("relay")).toEqual(["relay", "7.5", "0.75", "15.0", "0.75"]);
  expect(cells("all ")).toEqual(["all", "22.5", "2.25", "45.0", "2.25"]);
  expect(cells("system calls")).toEqual(["system calls", "10", "10", "10", "10"]);
  expect(cells("Also running, and in all")?.[0]).toEndWith(": insights.");
  expect(cells("Also running, and not in all")?.[0]).toEndWith(": console.");
  expect(cells("Memory")?.[0]).toBe(
    "Memory of gateway, relay, stream and catalog after the bulk: 140 MB, 3 s later 120 MB; sum of their peaks 161 MB",
  );
});

test("what was not measured is a dash", () => {
  const unknown = processes.map((one) => ({ ...one, brokerRequests: null, systemCalls: null }));
  const lines = linesOf({ ...result, runs: [{ ...run, phases: [{ ...rate, processes: unknown }] }] });
  expect(lineAfter(lines, "Lockstep, warm processes", "system calls")).toMatch(/ -$/);
  expect(lineAfter(lines, "Lockstep, warm processes", "requests at the broker")).toMatch(/ -$/);
  expect(report({ ...result, runs: [{ ...run, phases: [{ ...rate, processes: unknown }] }] })).not.toContain("NaN");
});

test("systems in turns are compared by median and range, and a difference of a peer is no failure", () => {
  const round = (number: number, p50: number): SystemRun => ({
    ...run,
    round: number,
    phases: [
      { ...rate, replicas: { catalog: { ...measured.replicas.catalog, commitToCommitMs: { ...figures, p50 } } } },
      bulk,
    ],
  });
  const peer: SystemRun = {
    ...run,
    system: "dual-write",
    copies: ["copy"],
    phases: [{ ...rate, differences: ["copy: a is missing", "copy: b is missing"] }],
  };
  const lines = linesOf({ ...result, runs: [round(1, 4), peer, round(2, 9), round(3, 5)] });
  const cells = (start: string) => lineAfter(lines, "Systems in turns, 3", start)?.trim().split(/ {2,}/);
  expect(cells("lockstep")).toEqual(["lockstep", "dual-write"]);
  expect(cells("200/s, commit to commit, ms p50")?.slice(1)).toEqual(["5.0 (4.0 to 9.0)", "1.3"]);
  expect(cells("bulk, rows/s")?.slice(1)).toEqual(["11000 (11000 to 11000)", "-"]);
  expect(cells("copies equal")?.slice(1)).toEqual(["yes, 6 of 6", "no, 2 rows differ in 1 of 1"]);
  expect(cells("writes that failed")?.slice(1)).toEqual(["30", "10"]);
  expect(lines.at(-1)).toBe("Source and replicas are equal by content.");
  expect(rangeText([], 1)).toBe("-");
});

test("the report ends with the differences when source and replicas differ", () => {
  const phases = [{ ...rate, differences: ["catalog: a is missing"] }];
  const differing = report({ ...result, equal: false, runs: [{ ...run, phases }] });
  expect(differing).toContain("SOURCE AND REPLICAS DIFFER in 1 places:\nHTTP at 200/s: catalog: a is missing");
  expect(differing).not.toContain("are equal");
});
