/** `bun run load` on a stack, and k6's figures against the services' own. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { metric } from "./harness/client.ts";
import { temporaryFolder } from "./harness/parts.ts";
import { sharedStack } from "./harness/shared-stack.ts";
import type { Stack } from "./harness/stack.ts";

const replicas = ["catalog", "storefront"] as const;
const stores = ["postgres", "redis"] as const;

interface Report {
  readonly passed: boolean;
  readonly missed: readonly string[];
  readonly metrics: Record<string, { values: Record<string, number> }>;
}

/** Runs a load test as a user would. @returns its exit status, what it said, and its reports. */
async function load(stack: Stack, name: string, ...flags: string[]) {
  const reports = temporaryFolder("load");
  const args = ["run", "load", name, "--data", stack.data, "--reports", reports, ...flags];
  const child = Bun.spawn([process.execPath, ...args], { cwd: stack.root, stdout: "pipe", stderr: "pipe" });
  const said = (await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])).join("\n");
  const status = await child.exited;
  const json = readdirSync(reports).find((file) => file.endsWith(".json"));
  if (!json) throw new Error(`no report:\n${said}`);
  const report = (await Bun.file(join(reports, json)).json()) as Report;
  return { status, said, report, html: existsSync(join(reports, json.replace(".json", ".html"))) };
}

/** Count and sum of `lockstep_sync_latency_seconds`, in milliseconds, by replica and store. */
async function told(stack: Stack) {
  const found = new Map<string, { count: number; sumMs: number }>();
  for (const replica of replicas)
    for (const store of stores) {
      const url = await stack.url(replica);
      const of = (part: string) => metric(url, `lockstep_sync_latency_seconds_${part}`, { replica, store });
      found.set(`${replica} ${store}`, { count: await of("count"), sumMs: (await of("sum")) * 1_000 });
    }
  return found;
}

/** The mean of k6 and of the service over the same writes. */
async function bothMeans(stack: Stack, run: () => Promise<{ report: Report }>) {
  const before = await told(stack);
  const { report } = await run();
  const after = await told(stack);
  return [...after].map(([key, now]) => {
    const then = before.get(key) ?? { count: 0, sumMs: 0 };
    const [replica, store] = key.split(" ");
    const k6 = (name: string) => report.metrics[`${name}{replica:${replica},store:${store}}`]?.values ?? {};
    const count = now.count - then.count;
    return {
      key,
      counts: { k6: k6("sync_latency").count, service: count },
      serviceMs: (now.sumMs - then.sumMs) / count,
      k6Ms: k6("sync_latency").avg ?? Number.NaN,
      atLeastMs: k6("sync_latency_at_least").avg ?? Number.NaN,
      atMostMs: k6("sync_latency_at_most").avg ?? Number.NaN,
    };
  });
}

test("smoke passes on a stack that is whole, prints a summary and leaves an HTML and a JSON report", async () => {
  const { status, said, report, html } = await load(await sharedStack(), "smoke", "--p95-ms", "9000");
  expect({ status, missed: report.missed, html }).toEqual({ status: 0, missed: [], html: true });
  expect(said).toMatch(/sync_latency catalog redis +40 /);
  expect(said).toContain("all 6 thresholds hold");
}, 120_000);

test("a threshold that is missed fails the run and is named", async () => {
  const { status, said, report } = await load(await sharedStack(), "smoke", "--iterations", "2", "--p95-ms", "0.001");
  expect(status).toBe(1);
  expect(report.passed).toBe(false);
  expect(said).toContain("sync_latency catalog postgres: p(95)<0.001");
}, 120_000);

/** As slow a stack as this test's machine may be: here only agreement counts. */
const patient = ["--seconds", "6", "--p95-ms", "9000", "--p99-ms", "9000"];

test("what the services say of their latency lies within the bounds that k6 saw from outside", async () => {
  const stack = await sharedStack();
  const means = await bothMeans(stack, () => load(stack, "sync-latency", ...patient));
  console.log(JSON.stringify(means));
  for (const { counts, serviceMs, atLeastMs, atMostMs } of means) {
    // Both count the same writes, each once.
    expect(counts.service).toBe(counts.k6!);
    expect(serviceMs).toBeGreaterThan(atLeastMs * 0.9);
    expect(serviceMs).toBeLessThan(atMostMs * 1.1);
  }
}, 120_000);

/**
 * Of a few milliseconds ten percent are less than what a client's request takes. So changes are held up for a second at a time, between
 * the commit and everything after: then k6's own share is small, and a service that began or ended its measure at another place would differ.
 */
test("k6 and the services agree on the sync latency within 10 %", async () => {
  const stack = await sharedStack();
  const { pid } = await stack.entry("relay");
  let tick = 0;
  // Stopped for 1.5 s of every 2.
  const timer = setInterval(() => process.kill(pid, tick++ % 4 === 3 ? "SIGCONT" : "SIGSTOP"), 500);
  const run = () =>
    load(stack, "sync-latency", ...patient, "--rate", "15").finally(() => {
      clearInterval(timer);
      process.kill(pid, "SIGCONT");
    });
  const means = await bothMeans(stack, run);
  console.log(JSON.stringify(means));
  for (const { counts, serviceMs, k6Ms } of means) {
    expect(counts.service).toBe(counts.k6!);
    expect(Math.abs(k6Ms - serviceMs) / serviceMs).toBeLessThan(0.1);
  }
}, 120_000);
