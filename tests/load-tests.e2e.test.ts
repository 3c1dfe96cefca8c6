/** `bun run load` on a stack, and k6's measurements compared with the metrics of the services. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { metric } from "./harness/client.ts";
import { temporaryFolder } from "./harness/servers.ts";
import { sharedStack } from "./harness/shared-stack.ts";
import type { Stack } from "./harness/stack.ts";

const replicas = ["catalog", "storefront"] as const;
const stores = ["postgres", "redis"] as const;

interface Report {
  readonly passed: boolean;
  readonly missed: readonly string[];
  readonly metrics: Record<string, { values: Record<string, number> }>;
}

/** Runs a load test from the command line. @returns its exit status, its output and its reports. */
async function load(stack: Stack, name: string, ...flags: string[]) {
  const reports = temporaryFolder("load");
  const args = ["run", "load", name, "--data", stack.data, "--reports", reports, ...flags];
  const child = Bun.spawn([process.execPath, ...args], { cwd: stack.root, stdout: "pipe", stderr: "pipe" });
  const output = (await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])).join("\n");
  const status = await child.exited;
  const json = readdirSync(reports).find((file) => file.endsWith(".json"));
  if (!json) throw new Error(`the load test wrote no report:\n${output}`);
  const report = (await Bun.file(join(reports, json)).json()) as Report;
  return { status, output, report, html: existsSync(join(reports, json.replace(".json", ".html"))) };
}

/** Count and sum of `lockstep_sync_latency_seconds`, in milliseconds, by replica and store. */
async function syncLatencies(stack: Stack) {
  const totals = new Map<string, { count: number; sumMs: number }>();
  for (const replica of replicas)
    for (const store of stores) {
      const url = await stack.url(replica);
      const value = (part: string) => metric(url, `lockstep_sync_latency_seconds_${part}`, { replica, store });
      totals.set(`${replica} ${store}`, { count: await value("count"), sumMs: (await value("sum")) * 1_000 });
    }
  return totals;
}

/** The mean latency by k6 and by the service's metrics, over the same writes. */
async function compareMeans(stack: Stack, run: () => Promise<{ report: Report }>) {
  const before = await syncLatencies(stack);
  const { report } = await run();
  const after = await syncLatencies(stack);
  return [...after].map(([key, later]) => {
    const earlier = before.get(key) ?? { count: 0, sumMs: 0 };
    const [replica, store] = key.split(" ");
    const k6 = (name: string) => report.metrics[`${name}{replica:${replica},store:${store}}`]?.values ?? {};
    const count = later.count - earlier.count;
    return {
      key,
      counts: { k6: k6("sync_latency").count, service: count },
      serviceMs: (later.sumMs - earlier.sumMs) / count,
      k6Ms: k6("sync_latency").avg ?? Number.NaN,
      lowerBoundMs: k6("sync_latency_at_least").avg ?? Number.NaN,
      upperBoundMs: k6("sync_latency_at_most").avg ?? Number.NaN,
    };
  });
}

test("the smoke test passes on a healthy stack, prints a summary and writes an HTML and a JSON report", async () => {
  const { status, output, report, html } = await load(await sharedStack(), "smoke", "--p95-ms", "9000");
  expect({ status, missed: report.missed, html }).toEqual({ status: 0, missed: [], html: true });
  expect(output).toMatch(/sync_latency catalog redis +40 /);
  expect(output).toContain("all 6 thresholds hold");
}, 120_000);

test("a missed threshold fails the run, and the output names it", async () => {
  const { status, output, report } = await load(await sharedStack(), "smoke", "--iterations", "2", "--p95-ms", "0.001");
  expect(status).toBe(1);
  expect(report.passed).toBe(false);
  expect(output).toContain("sync_latency catalog postgres: p(95)<0.001");
}, 120_000);

/** Thresholds that a slow machine also meets. These tests compare measurements only. */
const lenientThresholds = ["--seconds", "6", "--p95-ms", "9000", "--p99-ms", "9000"];

test("the latency that the services report lies within the bounds that k6 measured from outside", async () => {
  const stack = await sharedStack();
  const means = await compareMeans(stack, () => load(stack, "sync-latency", ...lenientThresholds));
  console.log(JSON.stringify(means));
  for (const { counts, serviceMs, lowerBoundMs, upperBoundMs } of means) {
    // Both count the same writes, and each write once.
    expect(counts.service).toBe(counts.k6!);
    expect(serviceMs).toBeGreaterThan(lowerBoundMs * 0.9);
    expect(serviceMs).toBeLessThan(upperBoundMs * 1.1);
  }
}, 120_000);

/**
 * Ten percent of a few milliseconds is less than the duration of one HTTP request. The test therefore stops the relay
 * for 1.5 s of every 2 s, which delays each change between its commit and all later steps. k6's own error is then
 * small, and a service that started or stopped its measurement at another point would differ.
 */
test("k6 and the services agree on the sync latency within 10 %", async () => {
  const stack = await sharedStack();
  const { pid } = await stack.entry("relay");
  let tick = 0;
  // Stopped for 1.5 s of every 2 s.
  const timer = setInterval(() => process.kill(pid, tick++ % 4 === 3 ? "SIGCONT" : "SIGSTOP"), 500);
  const run = () =>
    load(stack, "sync-latency", ...lenientThresholds, "--rate", "15").finally(() => {
      clearInterval(timer);
      process.kill(pid, "SIGCONT");
    });
  const means = await compareMeans(stack, run);
  console.log(JSON.stringify(means));
  for (const { counts, serviceMs, k6Ms } of means) {
    expect(counts.service).toBe(counts.k6!);
    expect(Math.abs(k6Ms - serviceMs) / serviceMs).toBeLessThan(0.1);
  }
}, 120_000);
