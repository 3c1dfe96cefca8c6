import { expect, test } from "bun:test";
import postgres from "postgres";
import { produceRaw, type RawMessage } from "../../../chaos/faults/events/raw-producer.ts";
import { decodeDeadLetterOrMark } from "../../../contracts/dead-letter.ts";
import { encodeEvent, header } from "../../../contracts/event.ts";
import { deadLetterTopic, eventsTopic } from "../../../contracts/topics.ts";
import { connectLog } from "../../../kafka/connect-log.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import { createLogger } from "../../../observability/logger.ts";
import { alternate, median } from "../../harness/alternate.ts";
import { request, untilVisible } from "../../harness/client.ts";
import { eventually } from "../../harness/eventually.ts";
import { newProduct } from "../../harness/load.ts";
import { productDocument, upsertEvent } from "../../harness/product-events.ts";
import { sharedStack } from "../../harness/shared-stack.ts";
import { product } from "../../project/index.ts";

/** The thousand messages are sent in this many parts. Each part has messages of every kind. */
const TURNS = 20;

/** Returns an invalid message of one of twenty kinds. The marker makes the bytes of each message unique. */
function invalidMessage(kind: number, marker: string, partitions: number): RawMessage {
  const { key, value, headers } = encodeEvent(upsertEvent(productDocument({ name: marker })));
  const without = (name: string) => Object.fromEntries(Object.entries(headers).filter(([n]) => n !== name));
  const valid = { key, value, headers };
  const kinds: RawMessage[] = [
    { key: marker, value: "hello", headers: {} },
    { key: null, value: null, headers: {} },
    { key: marker, value: null, headers },
    { ...valid, value: "" },
    { ...valid, value: "{" },
    { ...valid, value: Buffer.from([0xff, 0xfe, 0x00]) },
    { ...valid, value: "[]" },
    { ...valid, value: JSON.stringify({ ...JSON.parse(value!), price: 12 }) },
    { ...valid, value: JSON.stringify({ ...JSON.parse(value!), stock: "many" }) },
    { ...valid, value: JSON.stringify({ ...JSON.parse(value!), colour: "red" }) },
    { ...valid, value: JSON.stringify({ id: key }) },
    { ...valid, headers: without(header.type) },
    { ...valid, headers: without(header.version) },
    { ...valid, headers: without(header.subject) },
    { ...valid, headers: { ...headers, [header.type]: "lockstep.invoice.upserted" } },
    { ...valid, headers: { ...headers, [header.schemaVersion]: "99" } },
    { ...valid, headers: { ...headers, [header.version]: "-1" } },
    { ...valid, key: `not-${key}` },
    { ...valid, partition: (partitionForKey(key, partitions) + 1) % partitions },
    { ...valid, value: JSON.stringify({ ...JSON.parse(value!), description: "x".repeat(300_000) }) },
  ];
  return kinds[kind % kinds.length]!;
}

/**
 * Milliseconds from commit in the source to commit in a replica. The clocks are those of the servers, because this
 * process can be delayed.
 */
async function commitToCommit(sourceUrl: string, replicaUrl: string, ids: readonly string[]): Promise<number[]> {
  const commits = async (url: string) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    const rows = await sql<{ id: string; ms: number }[]>`
      select id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms from products where id in ${sql(ids)}`;
    await sql.end();
    return new Map(rows.map(({ id, ms }) => [id, ms]));
  };
  const [source, replica] = await Promise.all([commits(sourceUrl), commits(replicaUrl)]);
  return ids.flatMap((id) => (replica.has(id) ? [replica.get(id)! - source.get(id)!] : []));
}

test("P6: 1,000 invalid messages become dead letters with a reason, once each, and delay no valid event", async () => {
  const stack = await sharedStack();
  const [gateway, catalog] = await Promise.all(["gateway", "catalog"].map((n) => stack.url(n)));
  const [sourceDb, catalogDb] = await Promise.all(["gateway-db", "catalog-db"].map((n) => stack.url(n)));
  const brokers = await stack.brokers();
  const log = await connectLog({ brokers, clientId: "test", logger: createLogger("test", "1", "silent") });
  try {
    const topic = eventsTopic(product).name;
    const partitions = await log.partitionCount(topic);
    const deadLetters = async () => {
      const records: { reason: string; origin: string; bytes: string }[] = [];
      for (const [partition, { first, next }] of await log.offsets(deadLetterTopic(product).name))
        for await (const batch of log.read({ topic: deadLetterTopic(product).name, partition }, first, next))
          for (const record of batch) {
            const { headers, value } = record;
            const decoded = decodeDeadLetterOrMark(record);
            // Other tests of this stack write marks, which refer to the origin of their dead letter.
            if (decoded && "mark" in decoded) continue;
            records.push({
              reason: headers["lockstep-reason"] ?? "",
              origin: `${headers["lockstep-topic"]}/${headers["lockstep-partition"]}/${headers[header.inputOffset]}`,
              bytes: value?.toString("latin1") ?? "null",
            });
          }
      return records;
    };
    const before = (await deadLetters()).length;
    const messages = Array.from({ length: 1_000 }, (_, i) => invalidMessage(i, `garbage-${i}`, partitions));

    /** The longest delay of ten valid writes, made one after the other while `others` are produced. */
    const longestDelay = async (others: readonly RawMessage[]) => {
      const produced = produceRaw(brokers, topic, others);
      const ids: string[] = [];
      while (ids.length < 10) {
        const { body } = await request("POST", `${gateway}/products`, newProduct());
        await untilVisible(catalog!, body.id as string, 1);
        ids.push(body.id as string);
      }
      await produced;
      const delays = await commitToCommit(sourceDb!, catalogDb!, ids);
      expect(delays).toHaveLength(ids.length);
      return Math.max(...delays);
    };
    const perTurn = messages.length / TURNS;
    await longestDelay([]); // warm-up, so that the first write is not measured
    const delays = await alternate(TURNS, {
      valid: () => longestDelay(Array.from({ length: perTurn }, () => encodeEvent(upsertEvent(productDocument())))),
      invalid: (turn) => longestDelay(messages.slice(turn * perTurn, (turn + 1) * perTurn)),
    });
    const [validMs, invalidMs] = [median(delays.valid), median(delays.invalid)];
    console.log(`longest delay with valid messages ${validMs} ms, with invalid messages ${invalidMs} ms`);
    expect(invalidMs).toBeLessThanOrEqual(validMs * 2 + 50);
    await eventually(async () => (await deadLetters()).length === before + messages.length, {
      timeoutMs: 20_000,
      what: "1,000 dead letters",
    });
    const found = await deadLetters();
    expect(new Set(found.map(({ origin }) => origin)).size).toBe(found.length);
    expect(found.filter(({ reason }) => reason === "" || reason === "internal")).toEqual([]);
    const sent = messages.map(({ value }) => (value === null ? "null" : Buffer.from(value).toString("latin1"))).sort();
    const stored = found.map(({ bytes }) => bytes).sort();
    for (const bytes of new Set(sent))
      expect(stored.filter((b) => b === bytes).length).toBeGreaterThanOrEqual(sent.filter((b) => b === bytes).length);
  } finally {
    await log.close();
  }
}, 120_000);
