/** A running stack beside what it says of itself: records of every topic, answers of every service. */
import { expect, test } from "bun:test";
import { replicaNames } from "../contracts/entities/index.ts";
import { product } from "../contracts/entities/product.ts";
import { controlTopic, eventsTopic, receiptsTopic, topicsOf } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { setPaused } from "../operations/pause/control.ts";
import type { OpenApi } from "../platform/openapi/document.ts";
import { requestBy } from "./harness/client.ts";
import { DescribedApi, DescribedTopics } from "./harness/described.ts";
import { eventually } from "./harness/eventually.ts";
import { newProduct } from "./harness/load.ts";
import { lockstep } from "./harness/lockstep.ts";
import { produceRaw } from "./harness/raw-producer.ts";
import { sharedStack } from "./harness/shared-stack.ts";

/** Requests to a service whose answers are judged by its own description, as it gives it itself. */
async function describing(url: string) {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi;
  const ask = new DescribedApi(document).judged(fetch);
  for (const path of ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/products?limit=2"])
    expect((await ask(url + path)).status).toBe(200);
  const request = requestBy(ask);
  return (method: string, path: string, body?: unknown, headers = {}) => request(method, url + path, body, headers);
}

/** What each of the last records fits; other tests put records of their own into the topics of events, so there only these ids count. */
async function fits(log: Log, topics: DescribedTopics, topic: string, ids: readonly string[]): Promise<string[]> {
  const theirs = topic === eventsTopic(product).name || topic.includes(".to.");
  const found: string[] = [];
  for (const [partition, { first, next }] of await log.offsets(topic))
    for await (const records of log.read({ topic, partition }, Math.max(first, next - 200), next))
      for (const record of records)
        if (!theirs || ids.includes(record.key?.toString() ?? ""))
          found.push(topics.fitting(topic, { ...record, headers: record.rawHeaders }).join(" and ") || "no message");
  return found;
}

test("all that a stack answers, and writes to any topic, is as it describes itself", async () => {
  const stack = await sharedStack();
  const gateway = await describing(await stack.url("gateway"));
  const replicas = await Promise.all(replicaNames.map(async (name) => describing(await stack.url(name))));
  const { body, headers } = await gateway("POST", "/products", newProduct({ status: "active" }), { prefer: "wait=5" });
  const at = `/products/${body.id}`;
  for (const ask of replicas) await ask("GET", at, undefined, { "sync-token": headers.get("sync-token")! });
  await gateway("DELETE", at, undefined, { prefer: "wait=5" });
  for (const ask of replicas) expect((await ask("GET", at)).status).toBe(404);

  const log = await connectLog({
    brokers: await stack.brokers(),
    clientId: "test",
    logger: createLogger("test", "1", "silent"),
  });
  try {
    const junk = crypto.randomUUID();
    await produceRaw(await stack.brokers(), eventsTopic(product).name, [{ key: junk, value: "{", headers: {} }]);
    for (const paused of [true, false]) await setPaused(log, "storefront", paused);
    const drop = () => lockstep(stack, "dead-letters", "drop", "--id", junk, "--yes");
    await eventually(async () => (await drop()).status === 0, { timeoutMs: 20_000, what: "the letter to be dropped" });

    const topics = new DescribedTopics();
    for (const { name } of [...topicsOf(product), receiptsTopic, controlTopic]) {
      const messages = Object.keys(topics.document.channels[name]!.messages).sort();
      // The stream writes its versions a second later.
      await eventually(async () => new Set(await fits(log, topics, name, [String(body.id)])).size >= messages.length, {
        timeoutMs: 10_000,
        what: `${messages.join(", ")} in ${name}`,
      });
      expect([...new Set(await fits(log, topics, name, [String(body.id)]))].sort()).toEqual(messages);
    }
  } finally {
    await log.close();
  }
}, 60_000);
