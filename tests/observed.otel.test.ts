/**
 * A stack with `--observe`: Prometheus scrapes each process, each panel has data under load, and each alert fires when
 * the test causes its fault.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { annotations } from "../observability/grafana/annotations.ts";
import { boards } from "../observability/grafana/dashboards.ts";
import { syncLatency } from "../observability/grafana/promql.ts";
import { TRACE_ID_LABEL } from "../observability/grafana/provisioning.ts";
import { quick } from "../observability/prometheus/thresholds.ts";
import { startPrometheus } from "../stack/servers/prometheus.ts";
import type { Server } from "../stack/servers/server.ts";
import { stopAtExit } from "./harness/clean-up-at-exit.ts";
import { eventually } from "./harness/eventually.ts";
import { Writers } from "./harness/load.ts";
import {
  expandVariables,
  findQueriesWithoutData,
  firingAlerts,
  queryExemplars,
  queryPrometheus,
} from "./harness/prometheus.ts";
import { freePort, temporaryFolder } from "./harness/servers.ts";
import { Stack, type StatusEntry } from "./harness/stack.ts";
import { project } from "./project/index.ts";

const PER_SECOND = 50;

let stack: Stack;
let services: readonly StatusEntry[];
let prometheus: string;
/** A second Prometheus that scrapes the same processes every second, so its alerts fire within seconds. */
let fastPrometheus: Server;

const urlOf = (name: string): string => services.find((service) => service.name === name)?.url ?? "";
const targets = () =>
  services
    .filter(
      ({ url, kind }) => url.startsWith("http") && kind !== "prometheus" && kind !== "jaeger" && kind !== "grafana",
    )
    .map(({ name, kind, instance, url }) => ({
      service: kind === "replica" ? `replica-${name}` : name,
      instance: String(instance),
      address: new URL(url).host,
    }));

beforeAll(async () => {
  stack = await Stack.start({ observe: true, instances: "stream=2" });
  ({ services } = await stack.status());
  prometheus = urlOf("prometheus");
  const dir = temporaryFolder("prometheus");
  fastPrometheus = await startPrometheus({
    ...{ dir, port: await freePort(), targets: targets(), project },
    intervalSeconds: 1,
    thresholds: quick,
  });
  stopAtExit(fastPrometheus.pid, "KILL", dir);
}, 600_000);

afterAll(async () => {
  await fastPrometheus?.stop();
  await stack?.[Symbol.asyncDispose]();
});

/** The services with spans in this trace, by Jaeger's API. */
async function servicesOf(traceId: string): Promise<string[]> {
  const response = await fetch(`${urlOf("jaeger")}/api/traces/${traceId}`);
  if (!response.ok) return [];
  const { data } = (await response.json()) as { data: { processes: Record<string, { serviceName: string }> }[] };
  return data.flatMap(({ processes }) => Object.values(processes).map(({ serviceName }) => serviceName));
}

test("Prometheus scrapes every process of the stack, including both instances of one service", async () => {
  const expected = targets()
    .map(({ service, instance }) => `${service} ${instance}`)
    .sort();
  expect(expected).toContain("stream 2");
  expect(services.find(({ name }) => name === "jaeger")?.health).toBe("ready");
  await eventually(
    async () => {
      const up = (await queryPrometheus(prometheus, "up == 1")).map(
        ({ metric }) => `${metric.service} ${metric.instance}`,
      );
      expect(up.sort()).toEqual(expected);
      return true;
    },
    { timeoutMs: 30_000, what: "every process to be scraped", everyMs: 500 },
  );
});

test("every panel has data under load, and the exemplar of a latency leads to its trace", async () => {
  const startedAt = performance.now();
  const writers = new Writers(urlOf("gateway"), PER_SECOND).start();
  let reads = 0;
  const reading = setInterval(() => {
    const id = writers.ids().at(-1 - (reads++ % 20));
    for (const replica of id ? ["catalog", "storefront"] : [])
      fetch(`${urlOf(replica)}/products/${id}`).then(
        (response) => response.text(),
        () => {},
      );
  }, 50);
  try {
    await eventually(
      async () => {
        const missing = [];
        for (const { slug, rows } of boards)
          for (const panel of rows.flatMap(({ panels }) => panels))
            missing.push(
              ...(await findQueriesWithoutData(
                prometheus,
                panel,
                slug === "one-replica" ? { replica: "catalog" } : {},
              )),
            );
        if (missing.length > 0) throw new Error(missing.join("\n"));
        return true;
      },
      { timeoutMs: 90_000, what: "every panel to have data", everyMs: 1_000 },
    );
    console.log(
      `every panel had data ${((performance.now() - startedAt) / 1_000).toFixed(0)} s after the load started`,
    );
    for (const { expr } of annotations) await queryPrometheus(prometheus, expandVariables(expr));
    expect((await queryPrometheus(prometheus, expandVariables(annotations[0]!.expr))).length).toBe(targets().length);
    await eventually(
      async () => {
        const traceIds = (await queryExemplars(prometheus, expandVariables(syncLatency(0.99, "")))).map(
          ({ labels }) => labels[TRACE_ID_LABEL],
        );
        // Traces of canaries and of changes by SQL start at the relay.
        for (const id of new Set(traceIds)) if ((await servicesOf(id ?? "")).includes("lockstep-gateway")) return true;
        return false;
      },
      { timeoutMs: 30_000, what: "Jaeger to have the trace of a write that an exemplar refers to", everyMs: 500 },
    );
  } finally {
    clearInterval(reading);
    await writers.stop();
  }
}, 240_000);

// conditions.fault.test.ts provokes the alerts on conditions, on a stack with one instance of each service.
describe("an alert fires on a real fault:", () => {
  const waitForAlert = (alert: string, isFiring: boolean) =>
    eventually(
      async () => {
        const alerts = await firingAlerts(fastPrometheus.url);
        const found = alerts.find(({ labels }) => labels.alertname === alert);
        if (Boolean(found) !== isFiring)
          throw new Error(`firing: ${alerts.map(({ labels }) => labels.alertname).join(", ")}`);
        if (found) expect(found.annotations.summary).not.toContain("error");
        return true;
      },
      { timeoutMs: 60_000, what: `${alert} ${isFiring ? "to fire" : "to resolve"}`, everyMs: 250 },
    );

  /** Suspends every instance of a service, like a hung process. @returns a function that resumes them. */
  async function hang(name: string): Promise<() => void> {
    const { services } = await stack.status();
    const pids = services.filter((service) => service.name === name).map(({ pid }) => pid);
    const send = (signal: NodeJS.Signals) => {
      for (const pid of pids) process.kill(pid, signal);
    };
    send("SIGSTOP");
    return () => send("SIGCONT");
  }

  test("a stalled partition and missing canaries while the stream hangs", async () => {
    const resume = await hang("stream");
    const writers = new Writers(urlOf("gateway"), PER_SECOND).start();
    try {
      await waitForAlert("LockstepPartitionStalled", true);
      await waitForAlert("LockstepCanarySilent", true);
    } finally {
      resume();
      await writers.stop();
    }
    await waitForAlert("LockstepPartitionStalled", false);
    await waitForAlert("LockstepCanarySilent", false);
  }, 240_000);
});
