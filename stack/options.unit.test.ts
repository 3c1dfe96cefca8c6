import { expect, test } from "bun:test";
import { readOptions, type UpFlags } from "./options.ts";

const names = { services: ["gateway", "relay", "stream", "catalog"], owners: ["gateway", "catalog", "price-list"] };
const read = (flags: Partial<UpFlags>, env = {}) => readOptions({ data: "d", portBase: "8080", ...flags }, env, names);

test("instances are counted by service name", () => {
  expect(read({ instances: "stream=2,catalog=3" }).instances).toEqual(
    new Map([
      ["stream", 2],
      ["catalog", 3],
    ]),
  );
});

test.each([
  [{ instances: "streem=2" }, "there is no service streem; the services are: gateway, relay, stream, catalog"],
  [{ instances: "stream=0" }, "--instances stream 0: must be a whole number from 1 to 9"],
  [{ instances: "stream" }, "--instances stream : must be a whole number"],
  [{ brokers: "2" }, "--brokers 2: must be 1 or 3"],
  [{ portBase: "80" }, "--port-base 80: must be a whole number from 1024 to 64000"],
  [{ portBase: "8080x" }, "--port-base 8080x"],
  [{ partitions: "0" }, "--partitions 0: must be a whole number from 1 to 256"],
] as const)("%j is rejected with the allowed values", (flags, message) => {
  expect(() => read(flags)).toThrow(message);
});

test("--auth starts a token issuer, so LOCKSTEP_AUTH cannot name another one", () => {
  expect(read({ auth: true }, { LOCKSTEP_AUTH: "" }).auth).toBe(true);
  expect(() => read({ auth: true }, { LOCKSTEP_AUTH: "jwt" })).toThrow(
    "--auth and LOCKSTEP_AUTH=jwt exclude each other",
  );
});

test("external servers are read from the environment, each database by its owner's name", () => {
  const { external } = read(
    {},
    { KAFKA_BROKERS: "a:1,b:2", REDIS_URL: "", DATABASE_URL: "postgres://g", PRICE_LIST_DATABASE_URL: "postgres://p" },
  );
  expect(external.brokers).toBe("a:1,b:2");
  expect(external.redis).toBeUndefined();
  expect([...external.databases]).toEqual([
    ["gateway", "postgres://g"],
    ["price-list", "postgres://p"],
  ]);
});
