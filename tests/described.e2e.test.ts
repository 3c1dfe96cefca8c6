/** A running stack matches its OpenAPI and AsyncAPI documents: responses of every service, records of every topic. */
import { expect, test } from "bun:test";
import { produceRaw } from "../chaos/faults/events/raw-producer.ts";
import { controlTopic, eventsTopic, receiptsTopic, topicsOf } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { setPaused } from "../operations/pause/control.ts";
import type { OpenApi } from "../platform/openapi/document.ts";
import { AsyncApiChecker, OpenApiChecker } from "./harness/api-descriptions.ts";
import { requestWith } from "./harness/client.ts";
import { eventually } from "./harness/eventually.ts";
import { newProduct } from "./harness/load.ts";
import { runLockstep } from "./harness/run-lockstep.ts";
import { sharedStack } from "./harness/shared-stack.ts";
import { product, project } from "./project/index.ts";

/** Returns a client that checks each response against the OpenAPI document that the service itself serves. */
async function checkedClient(url: string) {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi;
  const checkedFetch = new OpenApiChecker(document).checked(fetch);
  for (const path of ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/products?limit=2"])
    expect((await checkedFetch(url + path)).status).toBe(200);
  const request = requestWith(checkedFetch);
  return (method: string, path: string, body?: unknown, headers = {}) => request(method, url + path, body, headers);
}

/**
 * Names the message that each of the last records matches. Other tests write to the event topics and the replicas'
 * topics, so in those only records of `ids` count.
 */
async function matchedMessages(
  log: Log,
  topics: AsyncApiChecker,
  topic: string,
  ids: readonly string[],
): Promise<string[]> {
  const isShared = topic === eventsTopic(product).name || topic.includes(".to.");
  const matches: string[] = [];
  for (const [partition, { first, next }] of await log.offsets(topic))
    for await (const records of log.read({ topic, partition }, Math.max(first, next - 200), next))
      for (const record of records)
        if (!isShared || ids.includes(record.key?.toString() ?? ""))
          matches.push(
            topics.matchingMessages(topic, { ...record, headers: record.rawHeaders }).join(" and ") || "no message",
          );
  return matches;
}

test("every response and every record of a stack matches its own API documents", async () => {
  const stack = await sharedStack();
  const gateway = await checkedClient(await stack.url("gateway"));
  const replicas = await Promise.all(project.replicaNames.map(async (name) => checkedClient(await stack.url(name))));
  const { body, headers } = await gateway("POST", "/products", newProduct({ status: "active" }), { prefer: "wait=5" });
  const path = `/products/${body.id}`;
  for (const replica of replicas) await replica("GET", path, undefined, { "sync-token": headers.get("sync-token")! });
  await gateway("DELETE", path, undefined, { prefer: "wait=5" });
  for (const replica of replicas) expect((await replica("GET", path)).status).toBe(404);

  const log = await connectLog({
    brokers: await stack.brokers(),
    clientId: "test",
    logger: createLogger("test", "1", "silent"),
  });
  try {
    const junk = crypto.randomUUID();
    await produceRaw(await stack.brokers(), eventsTopic(product).name, [{ key: junk, value: "{", headers: {} }]);
    for (const paused of [true, false]) await setPaused({ log, project }, "storefront", paused);
    const drop = () => runLockstep(stack, "dead-letters", "drop", "--id", junk, "--yes");
    await eventually(async () => (await drop()).status === 0, {
      timeoutMs: 20_000,
      what: "the dead letter to be dropped",
    });

    expect((await runLockstep(stack, "resync")).status).toBe(0);

    const topics = new AsyncApiChecker();
    for (const { name } of [...topicsOf(product), receiptsTopic(project), controlTopic(project)]) {
      const messages = Object.keys(topics.document.channels[name]!.messages).sort();
      // The stream writes its versions topic a second later.
      await eventually(
        async () => new Set(await matchedMessages(log, topics, name, [String(body.id)])).size >= messages.length,
        {
          timeoutMs: 10_000,
          what: `${messages.join(", ")} in ${name}`,
        },
      );
      expect([...new Set(await matchedMessages(log, topics, name, [String(body.id)]))].sort()).toEqual(messages);
    }
  } finally {
    await log.close();
  }
}, 60_000);
