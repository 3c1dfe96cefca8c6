import { expect, test } from "bun:test";
import { MAX_INSTANCES, REPLICA_OFFSETS } from "./layout.ts";
import { planStack } from "./plan.ts";

const noExternalServers = {
  brokers: undefined,
  redis: undefined,
  traces: undefined,
  databases: new Map<string, string>(),
};
const base = {
  portBase: 8080,
  observe: false,
  instances: new Map<string, number>(),
  external: noExternalServers,
  proxies: [],
};
const replicas = new Map([
  ["catalog", 1],
  ["storefront", 2],
]);

test("each service and server has its documented port", () => {
  const { services, servers } = planStack(base, 3, replicas);
  expect(Object.fromEntries(services.map((s) => [s.name, s.port]))).toEqual({
    gateway: 8080,
    catalog: 8081,
    storefront: 8082,
    stream: 8083,
    relay: 8084,
    console: 8085,
  });
  expect(servers.map((s) => [s.name, s.instance, s.port])).toEqual([
    ["gateway-db", 1, 8090],
    ["catalog-db", 1, 8091],
    ["storefront-db", 1, 8092],
    ["broker", 1, 8100],
    ["broker", 2, 8101],
    ["broker", 3, 8102],
    ["redis", 1, 8093],
  ]);
});

test("several gateways or replicas share the port of a single instance, and each has its own port; relay and stream have no clients", () => {
  const instances = new Map([
    ["gateway", 2],
    ["catalog", 2],
    ["stream", 2],
  ]);
  const { services } = planStack({ ...base, instances }, 1, replicas);
  expect(services.map((s) => [s.name, s.instance, s.port, s.sharedPort])).toEqual([
    ["gateway", 1, 8180, 8080],
    ["gateway", 2, 8280, 8080],
    ["relay", 1, 8084, undefined],
    ["stream", 1, 8083, undefined],
    ["stream", 2, 8183, undefined],
    ["catalog", 1, 8181, 8081],
    ["catalog", 2, 8281, 8081],
    ["storefront", 1, 8082, undefined],
    ["console", 1, 8085, undefined],
  ]);
});

test("all ports are distinct with the most replicas and instances", () => {
  const many = new Map(REPLICA_OFFSETS.map((offset) => [`replica-${offset}`, offset]));
  const instances = new Map(["gateway", "relay", "stream", ...many.keys()].map((name) => [name, MAX_INSTANCES]));
  const { services, servers, observers } = planStack({ ...base, instances, observe: true }, 3, many);
  const ports = [...services, ...servers, ...observers].flatMap((p) =>
    "controllerPort" in p ? [p.port, p.controllerPort] : [p.port],
  );
  expect(new Set(ports).size).toBe(ports.length);
});

test("an external server keeps its name, gets no port and is not started", () => {
  const external = {
    brokers: "a:9092,b:9092",
    redis: "redis://r",
    traces: undefined,
    databases: new Map([["catalog", "postgres://c"]]),
  };
  const plan = planStack({ ...base, external }, 1, replicas);
  expect(plan.servers.map((s) => s.name)).toEqual(["gateway-db", "storefront-db"]);
  expect(plan.external).toEqual([
    { kind: "postgres", name: "catalog-db", instance: 1, url: "postgres://c" },
    { kind: "broker", name: "broker", instance: 1, url: "a:9092" },
    { kind: "broker", name: "broker", instance: 2, url: "b:9092" },
    { kind: "redis", name: "redis", instance: 1, url: "redis://r" },
  ]);
});

test("observers are planned with --observe only, and no Jaeger when traces are sent elsewhere", () => {
  const kinds = (traces: string | undefined, observe: boolean) =>
    planStack({ ...base, external: { ...noExternalServers, traces }, observe }, 1, replicas).observers.map(
      ({ kind }) => kind,
    );
  expect(kinds(undefined, false)).toEqual([]);
  expect(kinds(undefined, true)).toEqual(["grafana", "prometheus", "jaeger"]);
  expect(kinds("http://collector:4318", true)).toEqual(["grafana", "prometheus"]);
});
