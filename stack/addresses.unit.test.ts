import { expect, test } from "bun:test";
import { brokerProxies, proxiedAddresses, serversOf } from "./addresses.ts";
import { labelOf, type PlannedBroker, planStack } from "./plan.ts";

const external = { brokers: undefined, redis: undefined, traces: undefined, databases: new Map<string, string>() };
const plan = planStack(
  { portBase: 8080, observe: false, instances: new Map([["stream", 2]]), external, proxies: [] },
  3,
  new Map([
    ["catalog", 1],
    ["storefront", 2],
  ]),
);
const service = (label: string) => plan.services.find((one) => labelOf(one) === label)!;
const addresses = {
  databases: new Map([
    ["gateway", "postgres://lockstep:a:8090@127.0.0.1:8090/gateway"],
    ["catalog", "postgres://lockstep:b@127.0.0.1:8091/catalog"],
  ]),
  brokers: "127.0.0.1:8100,127.0.0.1:8101,127.0.0.1:8102",
  redis: "redis://127.0.0.1:8093",
};
const routes = [
  { service: "stream 2", server: "broker 2", port: 1001, target: 2001 },
  { service: "catalog", server: "catalog-db", port: 1002, target: 8091 },
  { service: "catalog", server: "redis", port: 1003, target: 8093 },
  { service: "catalog", server: "broker", port: 1004, target: 2004 },
  { service: "gateway", server: "gateway-db", port: 1005, target: 8090 },
];

test("a service reaches through its proxies exactly the servers that have one for it", () => {
  expect(proxiedAddresses(addresses, service("stream 2"), routes)).toEqual({
    ...addresses,
    brokers: "127.0.0.1:8100,127.0.0.1:1001,127.0.0.1:8102",
  });
  expect(proxiedAddresses(addresses, service("catalog"), routes)).toEqual({
    databases: new Map([...addresses.databases, ["catalog", "postgres://lockstep:b@127.0.0.1:1002/catalog"]]),
    brokers: "127.0.0.1:1004,127.0.0.1:8101,127.0.0.1:8102",
    redis: "redis://127.0.0.1:1003",
  });
  expect(proxiedAddresses(addresses, service("gateway"), routes).databases.get("gateway")).toBe(
    "postgres://lockstep:a:8090@127.0.0.1:1005/gateway",
  );
});

test("without proxies each service has the servers' own addresses", () => {
  for (const one of plan.services) expect(proxiedAddresses(addresses, one, [])).toEqual(addresses);
});

test("a service uses its database, all brokers, and Redis where it has a cache", () => {
  const uses = (label: string) => serversOf(service(label), plan).map(labelOf);
  const brokers = ["broker", "broker 2", "broker 3"];
  expect(uses("relay")).toEqual(["gateway-db", ...brokers]);
  expect(uses("stream 2")).toEqual(brokers);
  expect(uses("catalog")).toEqual(["catalog-db", ...brokers, "redis"]);
  expect(uses("console")).toEqual(["gateway-db", "catalog-db", "storefront-db", ...brokers, "redis"]);
});

test("a broker listens for each of its own proxies", () => {
  const brokers = plan.servers.filter((server): server is PlannedBroker => server.kind === "broker");
  expect(brokers.map((broker) => brokerProxies(broker, routes))).toEqual([
    [{ listener: 2004, port: 1004 }],
    [{ listener: 2001, port: 1001 }],
    [],
  ]);
});
