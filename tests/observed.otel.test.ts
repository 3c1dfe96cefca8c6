/** A stack with `--observe`: each process is scraped, each panel has data under load, and alerts fire when the fault is really caused. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import { annotations } from "../observability/grafana/annotations.ts";
import { boards } from "../observability/grafana/dashboards.ts";
import { syncLatency } from "../observability/grafana/promql.ts";
import { TRACE_ID_LABEL } from "../observability/grafana/provisioning.ts";
import { quick } from "../observability/prometheus/thresholds.ts";
import { startPrometheus } from "../stack/servers/prometheus.ts";
import type { Server } from "../stack/servers/server.ts";
import { request } from "./harness/client.ts";
import { eventually } from "./harness/eventually.ts";
import { endWithUs } from "./harness/guard.ts";
import { newProduct, Writers } from "./harness/load.ts";
import { lockstep } from "./harness/lockstep.ts";
import { freePort, temporaryFolder } from "./harness/parts.ts";
import { ask, exemplars, filledIn, firing, withoutData } from "./harness/prometheus.ts";
import { produceRaw } from "./harness/raw-producer.ts";
import { Stack, type StatusEntry } from "./harness/stack.ts";

const PER_SECOND = 50;

let stack: Stack;
let services: readonly StatusEntry[];
let prometheus: string;
/** Scrapes the same processes every second, and its alerts fire within seconds. */
let impatient: Server;

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
  impatient = await startPrometheus({
    ...{ dir, port: await freePort(), targets: targets() },
    intervalSeconds: 1,
    thresholds: quick,
  });
  endWithUs(impatient.pid, "KILL", dir);
}, 600_000);

afterAll(async () => {
  await impatient?.stop();
  await stack?.[Symbol.asyncDispose]();
});

/** Names of the services that a trace went through, as Jaeger has it. */
async function servicesOf(traceId: string): Promise<string[]> {
  const answer = await fetch(`${urlOf("jaeger")}/api/traces/${traceId}`);
  if (!answer.ok) return [];
  const { data } = (await answer.json()) as { data: { processes: Record<string, { serviceName: string }> }[] };
  return data.flatMap(({ processes }) => Object.values(processes).map(({ serviceName }) => serviceName));
}

test("Prometheus scrapes every process of the stack, two of one service each by itself", async () => {
  const wanted = targets()
    .map(({ service, instance }) => `${service} ${instance}`)
    .sort();
  expect(wanted).toContain("stream 2");
  expect(services.find(({ name }) => name === "jaeger")?.health).toBe("ready");
  await eventually(
    async () => {
      const up = (await ask(prometheus, "up == 1")).map(({ metric }) => `${metric.service} ${metric.instance}`);
      expect(up.sort()).toEqual(wanted);
      return true;
    },
    { timeoutMs: 30_000, what: "every process to be scraped", everyMs: 500 },
  );
});

test("every panel of every dashboard has data while there is load, and a latency leads to its trace", async () => {
  const began = performance.now();
  const writers = new Writers(urlOf("gateway"), PER_SECOND).start();
  let asked = 0;
  const reading = setInterval(() => {
    const id = writers.ids().at(-1 - (asked++ % 20));
    for (const replica of id ? ["catalog", "storefront"] : [])
      fetch(`${urlOf(replica)}/products/${id}`).then(
        (answer) => answer.text(),
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
              ...(await withoutData(prometheus, panel, slug === "one-replica" ? { replica: "catalog" } : {})),
            );
        if (missing.length > 0) throw new Error(missing.join("\n"));
        return true;
      },
      { timeoutMs: 90_000, what: "every panel to have data", everyMs: 1_000 },
    );
    console.log(`every panel had data ${((performance.now() - began) / 1_000).toFixed(0)} s after the load began`);
    for (const { expr } of annotations) await ask(prometheus, filledIn(expr));
    expect((await ask(prometheus, filledIn(annotations[0]!.expr))).length).toBe(targets().length);
    await eventually(
      async () => {
        const named = (await exemplars(prometheus, filledIn(syncLatency(0.99, "")))).map(
          ({ labels }) => labels[TRACE_ID_LABEL],
        );
        // Canaries and changes by SQL have traces that begin at the relay.
        for (const id of new Set(named)) if ((await servicesOf(id ?? "")).includes("lockstep-gateway")) return true;
        return false;
      },
      { timeoutMs: 30_000, what: "Jaeger to have the trace of a write that a latency's exemplar names", everyMs: 500 },
    );
  } finally {
    clearInterval(reading);
    await writers.stop();
  }
}, 240_000);

describe("with the fault really caused", () => {
  const told = (alert: string, is: boolean) =>
    eventually(
      async () => {
        const alerts = await firing(impatient.url);
        const found = alerts.find(({ labels }) => labels.alertname === alert);
        if (Boolean(found) !== is)
          throw new Error(`firing: ${alerts.map(({ labels }) => labels.alertname).join(", ")}`);
        if (found) expect(found.annotations.summary).not.toContain("error");
        return true;
      },
      { timeoutMs: 60_000, what: `${alert} ${is ? "to fire" : "to end"}`, everyMs: 250 },
    );

  const write = () => request("POST", `${urlOf("gateway")}/products`, newProduct({ status: "active" }));

  /** Stops every instance of a service as a hung process is stopped, until it is let go on. */
  async function hang(name: string): Promise<() => void> {
    const { services } = await stack.status();
    const pids = services.filter((service) => service.name === name).map(({ pid }) => pid);
    const send = (signal: NodeJS.Signals) => {
      for (const pid of pids) process.kill(pid, signal);
    };
    send("SIGSTOP");
    return () => send("SIGCONT");
  }

  test("an event that nobody can process: dead letters, until it is dropped", async () => {
    await told("LockstepDeadLettersOpen", false);
    await produceRaw(await stack.brokers(), "products.events", [{ key: "x", value: "no event" }]);
    await told("LockstepDeadLettersOpen", true);
    expect((await lockstep(stack, "dead-letters", "drop", "--all", "--yes")).status).toBe(0);
    await told("LockstepDeadLettersOpen", false);
  }, 180_000);

  test("a row that is changed in a replica by hand: divergence, until it is repaired", async () => {
    const { body } = await write();
    const catalog = postgres(urlOf("catalog-db"), { max: 1 });
    try {
      await eventually(
        async () => (await catalog`select 1 from products where id = ${body.id as string}`).length === 1,
        {
          timeoutMs: 20_000,
          what: "the product in the replica",
        },
      );
      await catalog`update products set stock = stock + 1 where id = ${body.id as string}`;
    } finally {
      await catalog.end();
    }
    expect((await lockstep(stack, "verify", "--replica", "catalog")).status).toBe(1);
    await told("LockstepReplicaDiverges", true);
    expect((await lockstep(stack, "repair", "--replica", "catalog")).status).toBe(0);
    await told("LockstepReplicaDiverges", false);
  }, 180_000);

  test("a relay that hangs: the outbox grows old", async () => {
    const goOn = await hang("relay");
    try {
      await write();
      await told("LockstepOutboxOld", true);
    } finally {
      goOn();
    }
    await told("LockstepOutboxOld", false);
  }, 180_000);

  test("a stream that hangs: its lag grows, and no canary comes through", async () => {
    const goOn = await hang("stream");
    const writers = new Writers(urlOf("gateway"), PER_SECOND).start();
    try {
      await told("LockstepLagGrowing", true);
      await told("LockstepCanarySilent", true);
    } finally {
      goOn();
      await writers.stop();
    }
    await told("LockstepLagGrowing", false);
    await told("LockstepCanarySilent", false);
  }, 240_000);
});
