import { expect, test } from "bun:test";
import { temporaryFolder } from "../tests/harness/servers.ts";
import { availableObservers, tracingSettings } from "./observers.ts";
import { planStack } from "./plan.ts";

const external = { brokers: undefined, redis: undefined, traces: undefined, databases: new Map<string, string>() };
const plan = planStack(
  { portBase: 9_000, instances: new Map(), external, observe: true, proxies: [] },
  1,
  new Map([["catalog", 1]]),
);

test("a stack starts without the observers that this machine lacks, and prints the remedy for each", async () => {
  const { PATH, XDG_CACHE_HOME } = process.env;
  const printed: string[] = [];
  try {
    Object.assign(process.env, { PATH: temporaryFolder("path"), XDG_CACHE_HOME: temporaryFolder("cache") });
    expect(await availableObservers(plan, { print: (line) => printed.push(line) })).toEqual([]);
  } finally {
    Object.assign(process.env, { PATH, XDG_CACHE_HOME });
    if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  }
  const missing = printed.filter((line) => line.startsWith("starting without")).sort();
  expect(missing).toEqual([
    expect.stringMatching(/^starting without grafana: .* put grafana on the PATH/),
    expect.stringMatching(/^starting without jaeger: Go, which builds Jaeger, is not on this machine: install Go/),
    expect.stringMatching(/^starting without prometheus: .* no apt-get to fetch it: put prometheus and promtool/),
  ]);
});

test("with a Jaeger the services get the address for their spans, without one they get no settings", () => {
  expect(tracingSettings(plan.observers, 9_000)).toEqual({
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9043",
    LOCKSTEP_TRACE_UI_URL: "http://127.0.0.1:9042/trace/{traceId}",
  });
  expect(tracingSettings([], 9_000)).toEqual({});
});
