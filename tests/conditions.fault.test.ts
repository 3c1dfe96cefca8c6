/**
 * Conditions are provoked once on a running stack. Within 10 s each is shown by `lockstep status`, the console's API,
 * `/health/ready`, the gauge and a firing alert, and within 10 s of its end by none of them. Tests beside the rooms
 * provoke `lag-growing`, `overloaded`, `rebuilding` and `signing-keys-unavailable`.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { Kafka, logLevel } from "kafkajs";
import postgres, { type Sql } from "postgres";
import { produceRaw } from "../chaos/faults/events/raw-producer.ts";
import { STALLED_MS } from "../contracts/conditions.ts";
import { quick } from "../observability/prometheus/thresholds.ts";
import { parentOf } from "../stack/processes.ts";
import { startPrometheus } from "../stack/servers/prometheus.ts";
import type { Server } from "../stack/servers/server.ts";
import { stopAtExit } from "./harness/clean-up-at-exit.ts";
import { request, untilVisible } from "./harness/client.ts";
import { ConditionPlaces } from "./harness/conditions.ts";
import { newProduct } from "./harness/load.ts";
import { runLockstep } from "./harness/run-lockstep.ts";
import { freePort, temporaryFolder } from "./harness/servers.ts";
import { Stack, type StatusEntry } from "./harness/stack.ts";
import { project } from "./project/index.ts";

let stack: Stack;
let services: readonly StatusEntry[];
let prometheus: Server;
let places: ConditionPlaces;
let source: Sql;
let catalog: Sql;
let storefront: Sql;

const urlOf = (name: string): string => services.find((service) => service.name === name)?.url ?? "";
const lockstepServices = ["gateway", "relay", "stream", "replica", "console"];
const targets = () =>
  services
    .filter(({ kind }) => lockstepServices.includes(kind))
    .map(({ name, kind, instance, url }) => ({
      service: kind === "replica" ? `replica-${name}` : name,
      instance: String(instance),
      address: new URL(url).host,
    }));

beforeAll(async () => {
  stack = await Stack.start();
  ({ services } = await stack.status());
  const dir = temporaryFolder("prometheus");
  prometheus = await startPrometheus({
    ...{ dir, port: await freePort(), targets: targets(), project, intervalSeconds: 1, thresholds: quick },
  });
  stopAtExit(prometheus.pid, "KILL", dir);
  places = new ConditionPlaces(stack, prometheus.url, urlOf("console"));
  const connect = (name: string) => postgres(urlOf(name), { max: 2, onnotice: () => {} });
  [source, catalog, storefront] = [connect("gateway-db"), connect("catalog-db"), connect("storefront-db")];
}, 300_000);

afterAll(async () => {
  await Promise.all([source, catalog, storefront].map((sql) => sql?.end({ timeout: 1 })));
  await places?.[Symbol.asyncDispose]();
  await prometheus?.stop();
  await stack?.[Symbol.asyncDispose]();
}, 60_000);

/**
 * Suspends processes or servers with their child processes, like a machine that hangs.
 *
 * @returns a function that resumes them.
 */
async function suspend(...names: readonly string[]): Promise<() => void> {
  const parents = await Promise.all(names.map((name) => stack.kill(name, "SIGSTOP")));
  const children = readdirSync("/proc")
    .map(Number)
    .filter((pid) => parents.includes(parentOf(pid) ?? 0));
  for (const pid of children) signal(pid, "SIGSTOP");
  return () => {
    for (const pid of [...parents, ...children]) signal(pid, "SIGCONT");
  };
}

/** A connection's process may have ended. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {}
}

/** Creates a product at the gateway. @returns its id. */
async function create(): Promise<string> {
  const { body } = await request("POST", `${urlOf("gateway")}/products`, newProduct({ status: "active" }));
  return body.id as string;
}

const run = async (...args: readonly string[]): Promise<void> => {
  const { status, stdout, stderr } = await runLockstep(stack, ...args);
  expect([status, status === 0 ? "" : `${args.join(" ")}: ${stdout}\n${stderr}`]).toEqual([0, ""]);
};

test("a stack in which everything flows shows no condition anywhere", async () => {
  await untilVisible(urlOf("storefront"), await create(), 1);
  await places.disappear(["not-verified", "service-down", "status-unknown", "cache-off"], 60_000);
  expect(await runLockstep(stack, "status")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("no problems found"),
  });
}, 120_000);

test("paused, dead-letters-open, replica-differs, verification-stale, not-verified", async () => {
  const id = await create();
  await untilVisible(urlOf("catalog"), id, 1);
  await catalog`update products set stock = stock + 1 where id = ${id}`;
  expect((await runLockstep(stack, "verify", "--replica", "catalog", "--share", "1")).status).toBe(1);
  await source`update lockstep.verifications set at = at - interval '1 day' where replica = 'catalog'`;
  await source`delete from lockstep.verifications where replica = 'storefront'`;
  await produceRaw(await stack.brokers(), "products.events", [{ key: "x", value: "no event" }]);
  await run("pause", "stream", "--reason", "test");
  const names = ["paused", "dead-letters-open", "replica-differs", "verification-stale", "not-verified"] as const;
  await places.appear(names);
  const { status, stdout } = await runLockstep(stack, "status");
  expect(status).toBe(1);
  for (const name of names) expect(stdout).toContain(`! ${name} (`);
  await run("resume", "stream");
  await run("repair", "--share", "1");
  await run("dead-letters", "drop", "--all", "--yes");
  await places.disappear(names);
}, 120_000);

test("rows-set-aside, until a newer state of the row is sent", async () => {
  const [row] = await source<{ id: string }[]>`
    insert into products (sku, name, price, tags)
    values ('too-large', 'Cup', 1, array[repeat('x', 1280000)]) returning id`;
  await places.appear(["rows-set-aside"]);
  await source`delete from products where id = ${row!.id}`;
  await places.disappear(["rows-set-aside"]);
}, 120_000);

test("capture-incomplete, until the triggers are enabled again; verify and repair name it", async () => {
  await source`alter table products disable trigger lockstep_inserted`;
  const [row] = await source<{ id: string }[]>`
    insert into products (sku, name, price, status) values ('uncaptured', 'Cup', 1, 'active') returning id`;
  await places.appear(["capture-incomplete"]);
  const problem =
    "public.products has disabled triggers: lockstep_inserted: run lockstep capture, then lockstep repair";
  const verified = await runLockstep(stack, "verify", "--share", "1");
  expect([verified.status, verified.stdout]).toEqual([1, expect.stringContaining(problem)]);
  const refused = await runLockstep(stack, "repair", "--share", "1");
  expect([refused.status, refused.stdout]).toEqual([1, expect.stringContaining(`it was not sent: ${problem}`)]);
  expect(await catalog`select from products where id = ${row!.id}`).toHaveLength(0);
  await run("capture");
  await run("repair", "--share", "1");
  await untilVisible(urlOf("catalog"), row!.id, 1);
  await places.disappear(["capture-incomplete"]);
}, 120_000);

test("replica-empty, status-unknown", async () => {
  const rows = await storefront`delete from products returning *`;
  expect(rows.length).toBeGreaterThan(0);
  await source`alter table lockstep.verifications rename to elsewhere`;
  await places.appear(["replica-empty", "status-unknown"]);
  await source`alter table lockstep.elsewhere rename to verifications`;
  await run("repair", "--replica", "storefront", "--share", "1");
  await places.disappear(["replica-empty", "status-unknown"]);
}, 120_000);

test("source-read-only, database-read-only", async () => {
  const setReadOnly = async (change: string) => {
    await source.unsafe(`alter database gateway ${change}`);
    await storefront.unsafe(`alter database storefront ${change}`);
  };
  const names = ["source-read-only", "database-read-only"] as const;
  await setReadOnly("set default_transaction_read_only = on");
  try {
    await places.appear(names);
  } finally {
    await setReadOnly("reset default_transaction_read_only");
  }
  await places.disappear(names);
}, 120_000);

test("table-rejects while a replica's table is missing", async () => {
  await storefront`alter table products rename to elsewhere`;
  try {
    await create();
    await places.appear(["table-rejects"]);
  } finally {
    await storefront`alter table elsewhere rename to products`;
  }
  await places.disappear(["table-rejects", "status-unknown"]);
}, 120_000);

test("table-drifted while a replica lacks a declared column", async () => {
  await storefront`alter table products rename description to elsewhere`;
  try {
    await places.appear(["table-drifted"]);
  } finally {
    await storefront`alter table products rename elsewhere to description`;
  }
  await places.disappear(["table-drifted"]);
}, 120_000);

test("writes-failing while a rule of the source fails every write", async () => {
  await source.unsafe(`
    create function broken() returns trigger language plpgsql as $$ begin perform nothing(); return new; end $$;
    create trigger broken before insert on products for each row execute function broken()`);
  try {
    const writing = setInterval(() => void create(), 500);
    await places.appear(["writes-failing"]).finally(() => clearInterval(writing));
  } finally {
    await source.unsafe("drop trigger broken on products; drop function broken()");
  }
  await create();
  await places.disappear(["writes-failing"]);
}, 120_000);

test("partition-stalled while a row of a replica is locked; service-down, outbox-stalled while stream and relay hang", async () => {
  const id = await create();
  await untilVisible(urlOf("catalog"), id, 1);
  const locking = await catalog.reserve();
  await locking.unsafe("begin");
  await locking`select from products where id = ${id} for update`;
  await request("PATCH", `${urlOf("gateway")}/products/${id}`, { stock: 1 });
  // Stream and relay have sent the change to both replicas; only the catalog cannot apply it.
  await untilVisible(urlOf("storefront"), id, 2);
  const resume = await suspend("stream", "relay");
  try {
    await create();
    await Promise.all([
      places.appear(["service-down"]),
      places.appear(["partition-stalled", "outbox-stalled"], STALLED_MS),
    ]);
  } finally {
    resume();
    await locking.unsafe("rollback");
    locking.release();
  }
  await places.disappear(["partition-stalled", "service-down", "outbox-stalled"]);
}, 120_000);

test("cache-off while Redis hangs", async () => {
  const resume = await suspend("redis");
  try {
    await places.appear(["cache-off"]);
  } finally {
    resume();
  }
  await places.disappear(["cache-off"]);
}, 120_000);

test("database-unavailable while a replica's PostgreSQL hangs; log- and receipts-unavailable while the broker does", async () => {
  const names = ["database-unavailable", "log-unavailable", "receipts-unavailable"] as const;
  const resume = await suspend("catalog-db", "broker");
  try {
    await places.appear(names);
  } finally {
    resume();
  }
  await places.disappear(names);
}, 120_000);

test("source-unavailable while the source hangs", async () => {
  const resume = await suspend("gateway-db");
  try {
    await places.appear(["source-unavailable"]);
  } finally {
    resume();
  }
  await places.disappear(["source-unavailable"]);
}, 120_000);

test("events-lost, records-lost, log-incomplete after topics were deleted, until a resync", async () => {
  const admin = new Kafka({ brokers: await stack.brokers(), clientId: "test", logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: ["products.events", "products.to.storefront"] });
  await admin.disconnect();
  const names = ["events-lost", "records-lost", "log-incomplete"] as const;
  // The relay notices what a topic has lost when it writes to it.
  const writing = setInterval(() => void create(), 500);
  await places.appear(names).finally(() => clearInterval(writing));
  await run("resync");
  await places.disappear(names);
}, 120_000);
