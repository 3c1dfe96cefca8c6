/** `Prefer: wait` on writes, with receipts on a real broker. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { encodeReceipt } from "../contracts/receipt.ts";
import { decodeSyncTokens, encodeSyncToken, MAX_TOKEN_ENTRIES } from "../contracts/sync-token.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log, LogWriter } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { OpenApiChecker } from "../tests/harness/api-descriptions.ts";
import { requestWith } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { newProduct } from "../tests/harness/load.ts";
import { brokerAddress } from "../tests/harness/servers.ts";
import { startProxy } from "../tests/harness/tcp-proxy.ts";
import { project } from "../tests/project/index.ts";
import { gatewayOpenApi } from "./openapi/document.ts";

/** Checks each response against the gateway's OpenAPI description. */
const request = requestWith(new OpenApiChecker(gatewayOpenApi(project)).checked(fetch));
const place = { topic: receiptsTopic(project).name, partition: 0 };
let log: Log;
let writer: LogWriter;
let gateway: TestGateway;

beforeAll(async () => {
  const broker = await brokerAddress();
  log = await connectLog({ brokers: [broker], clientId: "test", logger: createLogger("test", "1", "silent") });
  await log.ensureTopics([receiptsTopic(project)], { partitions: 1, replicationFactor: 1, minInSyncReplicas: 1 });
  writer = await log.openWriter("test.receipts", [place]);
  gateway = await testGateway({ KAFKA_BROKERS: broker });
}, 60_000);
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await log.close();
});

/** Writes a receipt as a replica does. */
async function writeReceipt(replica: string, id: string, version: number, ms: number): Promise<void> {
  const committedMs = Date.now();
  const receipt = { replica, entity: "product", appliedMs: committedMs + ms, cachedMs: null };
  const value = encodeReceipt({ ...receipt, changes: [[id, version, committedMs]] });
  await writer.write(place, [{ key: null, value, headers: {} }]);
}

/** The number of items in a buffer of the gateway. */
async function bufferItems(buffer: string, on = gateway): Promise<number> {
  const metrics = await (await fetch(`${on.url}/metrics`)).text();
  return Number(new RegExp(`^lockstep_buffer_items\\{.*buffer="${buffer}".*\\} (\\d+)$`, "m").exec(metrics)?.[1]);
}
const untilRemembered = (entities: number) =>
  eventually(async () => (await bufferItems("remembered-receipts")) === entities, {
    timeoutMs: 10_000,
    what: `the gateway to read receipts of ${entities} entities`,
  });

/**
 * Locks the row of a product: a write of it has subscribed to receipts, and its statement waits for {@link release}.
 *
 * @returns releases the row.
 */
async function lockRow(id: string): Promise<() => Promise<void>> {
  const holder = await gateway.sql.reserve();
  await holder`begin`;
  await holder`select from products where id = ${id} for update`;
  return async () => {
    await holder`commit`;
    holder.release();
  };
}

const create = async () => (await request("POST", `${gateway.url}/products`, newProduct())).body.id as string;
const update = (id: string, prefer: string, headers: Record<string, string> = {}) =>
  request("PATCH", `${gateway.url}/products/${id}`, { stock: 1 }, { prefer, ...headers });

test("a write returns when every replica has it, with the latency of each", async () => {
  const id = await create();
  const release = await lockRow(id);
  let responded = false;
  const response = update(id, "wait=10").finally(() => {
    responded = true;
  });
  await eventually(async () => (await bufferItems("waiting-writes")) === 1, {
    timeoutMs: 10_000,
    what: "the write to subscribe to receipts",
  });
  // The gateway subscribes before it writes. A receipt that arrives before it waits also counts.
  await writeReceipt("catalog", id, 2, 12);
  await untilRemembered(1);
  await release();
  const isCommitted = async () => (await request("GET", `${gateway.url}/products/${id}`)).body.version === 2;
  await eventually(isCommitted, { timeoutMs: 10_000, what: "the write to be committed" });
  expect(responded).toBe(false);
  await writeReceipt("storefront", id, 3, 15);
  const { status, headers } = await response;
  expect([status, headers.get("etag"), headers.get("preference-applied")]).toEqual([200, '"2"', "wait=10"]);
  expect(headers.get("lockstep-replicas")).toBe("catalog;ms=12, storefront;ms=15");
});

test("P8: a late receipt of an older version, or of another replica, does not undo the receipt of a newer one", async () => {
  const [id, another] = [await create(), await create()];
  const release = await lockRow(id);
  const response = update(id, "wait=10");
  await eventually(async () => (await bufferItems("waiting-writes")) === 1, {
    timeoutMs: 10_000,
    what: "the write to subscribe to receipts",
  });
  await writeReceipt("catalog", id, 2, 12);
  for (const version of [1, 2]) await writeReceipt("catalog", id, version, 99);
  await writeReceipt("storefront", id, 2, 15);
  await writeReceipt("storefront", id, 1, 99);
  await writeReceipt("catalog", another, 1, 1);
  await untilRemembered(2);
  await release();
  expect((await response).headers.get("lockstep-replicas")).toBe("catalog;ms=12, storefront;ms=15");
});

test("after the timeout the write stays committed, and the response says which replicas are behind", async () => {
  const id = await create();
  const release = await lockRow(id);
  const response = update(id, "wait=0.5");
  await eventually(async () => (await bufferItems("waiting-writes")) === 1, {
    timeoutMs: 10_000,
    what: "the write to subscribe to receipts",
  });
  await writeReceipt("storefront", id, 2, 3);
  await untilRemembered(1);
  await release();
  const { status, headers } = await response;
  expect([status, headers.get("lockstep-replicas")]).toEqual([200, "catalog;behind, storefront;ms=3"]);
  expect((await request("GET", `${gateway.url}/products/${id}`)).body.version).toBe(2);
});

test("a write waits for the named replicas only; an undeclared replica is rejected before the write", async () => {
  const id = await create();
  const response = update(id, 'wait=10; replicas="storefront"');
  await eventually(async () => (await bufferItems("waiting-writes")) === 1, {
    timeoutMs: 10_000,
    what: "the write to subscribe to receipts",
  });
  await writeReceipt("storefront", id, 2, 4);
  expect((await response).headers.get("lockstep-replicas")).toBe("storefront;ms=4");
  const rejected = await update(id, "wait=5; replicas=nowhere");
  expect([rejected.status, rejected.body.code, rejected.body.detail]).toEqual([
    400,
    "MALFORMED",
    'The header Prefer names the replica "nowhere", but the replicas of products are: catalog, storefront.',
  ]);
  expect((await request("GET", `${gateway.url}/products/${id}`)).body.version).toBe(2);
});

test("a delete and a create can wait", async () => {
  const deletion = create().then((id) =>
    request("DELETE", `${gateway.url}/products/${id}`, undefined, { prefer: "wait=0.1" }),
  );
  expect([(await deletion).status, (await deletion).headers.get("lockstep-replicas")]).toEqual([
    204,
    "catalog;behind, storefront;behind",
  ]);
  const created = await request("POST", `${gateway.url}/products`, newProduct(), { prefer: "wait=0.1" });
  expect([created.status, created.headers.get("preference-applied")]).toEqual([201, "wait=0.1"]);
});

test("an unavailable log does not block a write; after the whole wait the replicas are unknown", async () => {
  await using isolated = await testGateway({ KAFKA_BROKERS: "127.0.0.1:1" });
  const start = performance.now();
  const response = request("POST", `${isolated.url}/products`, newProduct(), { prefer: "wait=2" });
  const rows = () => isolated.sql`select from products`;
  await eventually(async () => (await rows()).length === 1, { timeoutMs: 1_500, what: "the write to be committed" });
  expect(performance.now() - start).toBeLessThan(1_900);
  const { status, headers } = await response;
  expect([status, headers.get("lockstep-replicas")]).toEqual([201, "catalog;unknown, storefront;unknown"]);
  expect(performance.now() - start).toBeGreaterThan(1_950);
  expect(performance.now() - start).toBeLessThan(5_000);
});

test("a write's token covers the request's token, with the newest version of each entity", async () => {
  const [a, b] = [await create(), await create()];
  const first = await update(a, "");
  const second = await update(b, "", { "sync-token": first.headers.get("sync-token")! });
  const third = await update(a, "", { "sync-token": second.headers.get("sync-token")! });
  const entries = decodeSyncTokens(third.headers.get("sync-token")!).map(({ id, version }) => [id, version]);
  expect(entries.toSorted()).toEqual(
    [
      [a, 3],
      [b, 2],
    ].toSorted(),
  );
  const rejected = await update(a, "", { "sync-token": "nonsense" });
  expect([rejected.status, rejected.body.code]).toEqual([400, "MALFORMED"]);
});

test("P14: a token that the write would make too large is rejected before the write", async () => {
  const id = await create();
  const tokenOf = (ids: readonly string[]) =>
    encodeSyncToken(ids.map((one) => ({ plural: "products", id: one, version: 1 })));
  const others = Array.from({ length: MAX_TOKEN_ENTRIES }, () => crypto.randomUUID());
  const rejected = await update(id, "", { "sync-token": tokenOf(others) });
  expect([rejected.status, rejected.body.detail]).toEqual([
    400,
    "The header Sync-Token covers more than 100 entities; leave out tokens of writes that every replica has.",
  ]);
  expect((await request("GET", `${gateway.url}/products/${id}`)).body.version).toBe(1);
  // A token that covers the product already has room.
  const accepted = await update(id, "", { "sync-token": tokenOf([id, ...others.slice(1)]) });
  expect([accepted.status, accepted.body.version]).toEqual([200, 2]);
});

test("a gateway that reaches the log only after the write finds the receipts that were written before", async () => {
  const proxy = await startProxy(Number((await brokerAddress()).split(":")[1]));
  proxy.refuse();
  await using starting = await testGateway({ KAFKA_BROKERS: `127.0.0.1:${proxy.port}` });
  const id = (await request("POST", `${starting.url}/products`, newProduct())).body.id as string;
  const response = request("PATCH", `${starting.url}/products/${id}`, { stock: 1 }, { prefer: "wait=10" });
  for (const replica of ["catalog", "storefront"]) await writeReceipt(replica, id, 2, 5);
  const receiptsProblem = async () => {
    const { checks } = (await (await fetch(`${starting.url}/health/ready`)).json()) as {
      checks: { condition: string; problem: string | null }[];
    };
    return checks.find(({ condition }) => condition === "receipts-unavailable")!.problem;
  };
  expect(await receiptsProblem()).toBe("not connected to the brokers");
  proxy.heal();
  expect((await response).headers.get("lockstep-replicas")).toBe("catalog;ms=5, storefront;ms=5");
  await proxy.close();
}, 30_000);
