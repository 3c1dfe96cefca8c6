/** `Prefer: wait` while a broker hangs or restarts: what cannot be known is `unknown`, never `behind`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { encodeReceipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import { createLogger } from "../observability/logger.ts";
import { startBrokers, type TestBrokers } from "../tests/harness/brokers.ts";
import { request } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { newProduct } from "../tests/harness/load.ts";
import { project } from "../tests/project/index.ts";

const place = { topic: receiptsTopic(project).name, partition: 0 };
let brokers: TestBrokers;
let gateway: TestGateway;

const connect = () =>
  connectLog({ brokers: brokers.addresses, clientId: "test", logger: createLogger("test", "1", "silent") });

beforeAll(async () => {
  brokers = await startBrokers(1);
  const log = await connect();
  await log.ensureTopics([receiptsTopic(project)], { partitions: 1, replicationFactor: 1, minInSyncReplicas: 1 });
  await log.close();
  gateway = await testGateway({ KAFKA_BROKERS: brokers.addresses[0]!, LOCKSTEP_MAX_WAIT_MS: "60000" });
  await untilReceiptsAre("available");
}, 120_000);
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await brokers?.stop();
}, 60_000);

/** Waits until `/health/ready` reports the condition `receipts-unavailable`, or does not. */
const untilReceiptsAre = (state: "available" | "unavailable") =>
  eventually(
    async () => {
      const { checks } = (await (await fetch(`${gateway.url}/health/ready`)).json()) as {
        checks: { condition: string; problem: string | null }[];
      };
      const { problem } = checks.find(({ condition }) => condition === "receipts-unavailable")!;
      return (problem === null) === (state === "available");
    },
    { timeoutMs: 10_000, what: `receipts to be ${state}` },
  );

const create = async (prefer: string) => {
  const { body, headers } = await request("POST", `${gateway.url}/products`, newProduct(), { prefer });
  return { id: body.id as string, replicas: headers.get("lockstep-replicas") };
};

test("a broker that hangs makes replicas unknown, not behind, and the gateway reports it", async () => {
  expect((await create("wait=1")).replicas).toBe("catalog;behind, storefront;behind");
  brokers.all[0]!.suspend();
  try {
    expect((await create("wait=1")).replicas).toBe("catalog;unknown, storefront;unknown");
    await untilReceiptsAre("unavailable");
  } finally {
    brokers.all[0]!.resume();
  }
  await untilReceiptsAre("available");
  expect((await create("wait=1")).replicas).toBe("catalog;behind, storefront;behind");
}, 60_000);

test("a receipt that is written after a restart of the broker confirms a write that waited before it", async () => {
  const { id } = await create("");
  const response = request("PATCH", `${gateway.url}/products/${id}`, { stock: 1 }, { prefer: "wait=60" });
  await brokers.all[0]!.kill();
  await brokers.all[0]!.start();
  const log = await connect();
  const writer = await log.openWriter("test.receipts", [place]);
  for (const replica of ["catalog", "storefront"]) {
    const committedMs = Date.now();
    const value = encodeReceipt({
      replica,
      entity: "product",
      appliedMs: committedMs + 5,
      cachedMs: null,
      changes: [[id, 2, committedMs]],
    });
    await writer.write(place, [{ key: null, value, headers: {} }]);
  }
  expect((await response).headers.get("lockstep-replicas")).toBe("catalog;ms=5, storefront;ms=5");
  await log.close();
}, 90_000);
