import { expect, test } from "bun:test";
import postgres from "postgres";
import { decodeDeadLetterOrMark } from "../../../contracts/dead-letter.ts";
import { product } from "../../../contracts/entities/product.ts";
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
import { produceRaw, type RawMessage } from "../../harness/raw-producer.ts";
import { sharedStack } from "../../harness/shared-stack.ts";

/** A thousand messages in so many parts, each kind in each part. */
const TURNS = 20;

/** Twenty ways to be no event; the marker makes each message's bytes its own. */
function garbage(kind: number, marker: string, partitions: number): RawMessage {
  const { key, value, headers } = encodeEvent(upsertEvent(productDocument({ name: marker })));
  const without = (name: string) => Object.fromEntries(Object.entries(headers).filter(([n]) => n !== name));
  const good = { key, value, headers };
  const kinds: RawMessage[] = [
    { key: marker, value: "hello", headers: {} },
    { key: null, value: null, headers: {} },
    { key: marker, value: null, headers },
    { ...good, value: "" },
    { ...good, value: "{" },
    { ...good, value: Buffer.from([0xff, 0xfe, 0x00]) },
    { ...good, value: "[]" },
    { ...good, value: JSON.stringify({ ...JSON.parse(value!), price: 12 }) },
    { ...good, value: JSON.stringify({ ...JSON.parse(value!), stock: "many" }) },
    { ...good, value: JSON.stringify({ ...JSON.parse(value!), colour: "red" }) },
    { ...good, value: JSON.stringify({ id: key }) },
    { ...good, headers: without(header.type) },
    { ...good, headers: without(header.version) },
    { ...good, headers: without(header.subject) },
    { ...good, headers: { ...headers, [header.type]: "lockstep.invoice.upserted" } },
    { ...good, headers: { ...headers, [header.schemaVersion]: "99" } },
    { ...good, headers: { ...headers, [header.version]: "-1" } },
    { ...good, key: `not-${key}` },
    { ...good, partition: (partitionForKey(key, partitions) + 1) % partitions },
    { ...good, value: JSON.stringify({ ...JSON.parse(value!), description: "x".repeat(300_000) }) },
  ];
  return kinds[kind % kinds.length]!;
}

/** Milliseconds between the commits in the source and in a replica, by the servers' own clocks: this process may have other things to do. */
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

test("P6: a thousand bad messages of twenty kinds go to the dead letters, each once with its reason, and delay no good event", async () => {
  const stack = await sharedStack();
  const [gateway, catalog] = await Promise.all(["gateway", "catalog"].map((n) => stack.url(n)));
  const [sourceDb, catalogDb] = await Promise.all(["gateway-db", "catalog-db"].map((n) => stack.url(n)));
  const brokers = await stack.brokers();
  const log = await connectLog({ brokers, clientId: "test", logger: createLogger("test", "1", "silent") });
  try {
    const topic = eventsTopic(product).name;
    const partitions = await log.partitionCount(topic);
    const deadLetters = async () => {
      const found: { reason: string; origin: string; bytes: string }[] = [];
      for (const [partition, { first, next }] of await log.offsets(deadLetterTopic(product).name))
        for await (const records of log.read({ topic: deadLetterTopic(product).name, partition }, first, next))
          for (const record of records) {
            const { headers, value } = record;
            const decoded = decodeDeadLetterOrMark(record);
            // Other tests of this stack leave marks, which name the origin of their letter.
            if (decoded && "mark" in decoded) continue;
            found.push({
              reason: headers["lockstep-reason"] ?? "",
              origin: `${headers["lockstep-topic"]}/${headers["lockstep-partition"]}/${headers[header.inputOffset]}`,
              bytes: value?.toString("latin1") ?? "null",
            });
          }
      return found;
    };
    const before = (await deadLetters()).length;
    const messages = Array.from({ length: 1_000 }, (_, i) => garbage(i, `garbage-${i}`, partitions));

    /** The longest of the delays of ten good writes, each of which waits for its copy, while other messages pour in. */
    const worstBeside = async (others: readonly RawMessage[]) => {
      const produced = produceRaw(brokers, topic, others);
      const good: string[] = [];
      while (good.length < 10) {
        const { body } = await request("POST", `${gateway}/products`, newProduct());
        await untilVisible(catalog!, body.id as string, 1);
        good.push(body.id as string);
      }
      await produced;
      const delays = await commitToCommit(sourceDb!, catalogDb!, good);
      expect(delays).toHaveLength(good.length);
      return Math.max(...delays);
    };
    const each = messages.length / TURNS;
    await worstBeside([]); // what is measured is no first write
    const delays = await alternate(TURNS, {
      beside: () => worstBeside(Array.from({ length: each }, () => encodeEvent(upsertEvent(productDocument())))),
      among: (turn) => worstBeside(messages.slice(turn * each, (turn + 1) * each)),
    });
    const [beside, among] = [median(delays.beside), median(delays.among)];
    console.log(`longest delay beside good messages ${beside} ms, among bad ones ${among} ms`);
    expect(among).toBeLessThanOrEqual(beside * 2 + 50);
    await eventually(async () => (await deadLetters()).length === before + messages.length, {
      timeoutMs: 20_000,
      what: "1,000 dead letters",
    });
    const letters = await deadLetters();
    expect(new Set(letters.map((letter) => letter.origin)).size).toBe(letters.length);
    expect(letters.filter((letter) => letter.reason === "" || letter.reason === "internal")).toEqual([]);
    const sent = messages.map(({ value }) => (value === null ? "null" : Buffer.from(value).toString("latin1"))).sort();
    const kept = letters.map((letter) => letter.bytes).sort();
    for (const bytes of new Set(sent))
      expect(kept.filter((b) => b === bytes).length).toBeGreaterThanOrEqual(sent.filter((b) => b === bytes).length);
  } finally {
    await log.close();
  }
}, 120_000);
