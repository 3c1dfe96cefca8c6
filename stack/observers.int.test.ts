import { expect, test } from "bun:test";
import { temporaryFolder } from "../tests/harness/parts.ts";
import { presentObservers, tracingSettings } from "./observers.ts";
import { planStack } from "./plan.ts";

const external = { brokers: undefined, redis: undefined, traces: undefined, databases: new Map<string, string>() };
const plan = planStack({ portBase: 9_000, instances: new Map(), external, observe: true }, 1, ["catalog"]);

test("a stack goes on without what this machine neither has nor can bring, and says of each what to do", async () => {
  const { PATH, XDG_CACHE_HOME } = process.env;
  const said: string[] = [];
  try {
    Object.assign(process.env, { PATH: temporaryFolder("path"), XDG_CACHE_HOME: temporaryFolder("cache") });
    expect(await presentObservers(plan, { say: (line) => said.push(line) })).toEqual([]);
  } finally {
    Object.assign(process.env, { PATH, XDG_CACHE_HOME });
    if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  }
  const missing = said.filter((line) => line.startsWith("goes on without")).sort();
  expect(missing).toEqual([
    expect.stringMatching(/^goes on without grafana: .* put grafana on the PATH/),
    expect.stringMatching(/^goes on without jaeger: Go, which brings Jaeger, is not on this machine: install Go/),
    expect.stringMatching(/^goes on without prometheus: .* nor apt-get to bring it: put prometheus and promtool/),
  ]);
});

test("services are told where spans go when there is a Jaeger, and nothing otherwise", () => {
  expect(tracingSettings(plan.observers, 9_000)).toEqual({
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9043",
    LOCKSTEP_TRACE_UI_URL: "http://127.0.0.1:9042/trace/{traceId}",
  });
  expect(tracingSettings([], 9_000)).toEqual({});
});
