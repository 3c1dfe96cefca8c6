import { expect, test } from "bun:test";
import { report } from "./report.ts";
import type { BenchResult, HttpPhase } from "./result.ts";

const figures = { count: 10, p50: 1.25, p90: 2, p99: 3, max: 4 };
const store = { count: 10, p50: 1.5, p99: 3.5 };
const phase: HttpPhase = {
  name: "HTTP at 200/s",
  ratePerSecond: 200,
  seconds: 30.04,
  sent: 6_000,
  acknowledged: 5_990,
  failed: { "503": 9, none: 1 },
  ackMs: figures,
  generator: { lateMs: figures, mostUnderWay: 7, cpuSeconds: 1 },
  missingInRedis: 2,
  replicas: {
    catalog: {
      commitToCommitMs: figures,
      hopsMs: null,
      commitToRedisMs: figures,
      histogramMs: { postgres: store, redis: store },
    },
  },
  processes: [{ name: "gateway", kind: "gateway", pid: 1, cpuSeconds: 1.234, peakMemoryMb: 80.4, memoryMb: 70 }],
  settledAfterSeconds: 0.12,
  differences: [],
};
const result: BenchResult = {
  at: "2026-11-23T10:00:00.000Z",
  machine: { cpus: 2, model: "a CPU", memoryGb: 25, kernel: "6", bun: "1.4.5", loadBefore: 0.1 },
  brokers: 1,
  http: [phase],
  bulk: null,
  away: null,
  growth: [],
  servicesMemoryMb: 412.3,
  equal: true,
};

test("the report shows failures, missing writes, and the latencies of every replica", () => {
  const lines = report(result).split("\n");
  const line = (start: string) => lines.find((l) => l.trim().startsWith(start));
  expect(line("HTTP at 200/s")).toContain("5990 acknowledged, 9 x 503, 1 x none");
  expect(line("commit to catalog's commit")).toMatch(/ 10 +1\.3 +2\.0 +3\.0 +4\.0$/);
  expect(line("catalog itself says, redis")).toMatch(/ 10 +1\.5 +3\.5$/);
  expect(line("gateway")).toMatch(/ 1\.2 +80 +70$/);
  expect(line("2 sampled writes")).toBeDefined();
  expect(lines.at(-1)).toBe("Source and replicas are equal by content.");
});

test("the report ends with the differences when source and replicas differ", () => {
  const differing = report({ ...result, equal: false, http: [{ ...phase, differences: ["catalog: a is missing"] }] });
  expect(differing).toContain("SOURCE AND REPLICAS DIFFER in 1 places:\nHTTP at 200/s: catalog: a is missing");
  expect(differing).not.toContain("are equal");
});
