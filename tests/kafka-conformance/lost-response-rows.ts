/** Rows about responses that never arrive: the record is stored, and the writer does not know it. */
import { expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import type { LogWriter } from "../../kafka/log.ts";
import { eventually } from "../harness/eventually.ts";
import { api } from "../harness/tcp-proxy.ts";
import { compare, isSound, Ledger, summary } from "./ledger.ts";
import { PARTITIONS, partitionsOf } from "./load.ts";
import { expectContent, type Fencing, type GetSuite, record, type Suite } from "./suite.ts";
import { recordResult } from "./table.ts";

const TEST_TIMEOUT_MS = 60_000;
const HANGING_BROKER = "leader moved from a broker that hangs";

/** Declares all rows for one kind of writer. */
export function lostResponseRows(getSuite: GetSuite, fencing: Fencing): void {
  test(
    "produce responses are lost: the records are stored once, and the writer gets their offsets",
    () => lostProduceResponsesRow(getSuite(), fencing),
    TEST_TIMEOUT_MS,
  );
  test(
    "a leader moves while the request to the old one is lost: writes go to the new leader",
    () => hangingBrokerRow(getSuite(), fencing),
    TEST_TIMEOUT_MS,
  );
  test(
    "all connections become half-open: writer and consumer reconnect, and each record is stored once",
    () => halfOpenConnectionsRow(getSuite(), fencing),
    TEST_TIMEOUT_MS,
  );
  test(
    "a broker's responses are blocked for a while: each record is stored once",
    () => blockedResponsesRow(getSuite(), fencing),
    TEST_TIMEOUT_MS,
  );
}

const openWriter = async (suite: Suite, fencing: Fencing, topic: string) =>
  (await suite.connect(fencing)).openWriter(`${topic}.writer`, partitionsOf(topic));

/** Writes one record with this value to each partition. @returns the offsets. */
const writeToAll = (writer: LogWriter, topic: string, value: string) =>
  Promise.all(partitionsOf(topic).map((each) => writer.write(each, [record(value)])));

async function lostProduceResponsesRow(suite: Suite, fencing: Fencing): Promise<void> {
  const topic = await suite.newTopic();
  const writer = await openWriter(suite, fencing, topic);
  const ledger = new Ledger();
  const faults = suite.brokers.all.map(({ proxy }) =>
    proxy.fault({ on: "response", api: api.produce, action: "reset", times: 5 }),
  );
  for (let round = 0; round < 10; round++)
    await Promise.all(
      partitionsOf(topic).map(async (each) => {
        const values = [1, 2, 3].map((n) => `${each.partition} ${round} ${n}`);
        ledger.acknowledge(each.partition, values, await writer.write(each, values.map(record)));
      }),
    );
  expect(faults.map((fault) => fault.count())).toEqual([5, 5, 5]);
  const findings = await compare(suite.log, topic, ledger);
  recordResult("lost produce responses", `seam, ${fencing}`, isSound(findings), summary(findings));
  expect(isSound(findings)).toBe(true);
}

async function hangingBrokerRow(suite: Suite, fencing: Fencing): Promise<void> {
  const topic = await suite.newTopic();
  const writer = await openWriter(suite, fencing, topic);
  const ledger = new Ledger();
  await whileOneBrokerHangs(suite, topic, () =>
    partitionsOf(topic).map(async (each) => {
      const value = `${each.partition}`;
      ledger.acknowledge(each.partition, [value], await writer.write(each, [record(value)]));
    }),
  );
  const findings = await compare(suite.log, topic, ledger);
  recordResult(HANGING_BROKER, `seam, ${fencing}`, isSound(findings), summary(findings));
  expect(isSound(findings)).toBe(true);
}

async function halfOpenConnectionsRow(suite: Suite, fencing: Fencing): Promise<void> {
  const { log, brokers } = suite;
  const topic = await suite.newTopic();
  const writer = await openWriter(suite, fencing, topic);
  await writeToAll(writer, topic, "before");
  const received = new Map<number, number>();
  const consumer = await log.consume({
    group: topic,
    topics: [topic],
    onBatch: async ({ partition, records }) => void received.set(partition, records.at(-1)!.offset),
  });
  await eventually(() => received.size === PARTITIONS, { timeoutMs: 20_000, what: "a record of each partition" });

  const startedMs = performance.now();
  for (const { proxy } of brokers.all) proxy.freeze();
  const offsets = await writeToAll(writer, topic, "after");
  const writtenMs = performance.now() - startedMs;
  await eventually(() => offsets.every((offset, partition) => received.get(partition) === offset), {
    timeoutMs: 25_000,
    what: "the consumer has the records that were written after the connections became half-open",
  });
  const receivedMs = performance.now() - startedMs;
  for (const each of partitionsOf(topic)) await expectContent(log, each, ["before", "after"]);
  // A transaction first waits for its coordinator, whose connection is half-open too.
  expect(writtenMs).toBeLessThan(fencing === "epochs" ? 10_000 : 20_000);
  const details = `written after ${seconds(writtenMs)} s, consumed after ${seconds(receivedMs)} s`;
  recordResult("half-open connections", `seam, ${fencing}`, true, details);
  await consumer.close();
  await writer.close();
}

async function blockedResponsesRow(suite: Suite, fencing: Fencing): Promise<void> {
  const topic = await suite.newTopic();
  const writer = await openWriter(suite, fencing, topic);
  const { proxy } = suite.brokers.all[0]!;
  proxy.silence("response");
  const writes = writeToAll(writer, topic, "once");
  await Bun.sleep(6_500);
  proxy.heal();
  await writes;
  for (const each of partitionsOf(topic)) await expectContent(suite.log, each, ["once"]);
  recordResult("responses blocked", `seam, ${fencing}`, true, "0 faults of 12");
}

/** Declares the row that shows that the suite detects a loss: kafkajs skips a broker that has already responded. */
export function kafkajsLosesRow(getSuite: GetSuite): void {
  test(
    "kafkajs' own producer loses acknowledged records when a leader moves from a broker that hangs",
    () => kafkajsHangingBrokerRow(getSuite()),
    TEST_TIMEOUT_MS,
  );
}

async function kafkajsHangingBrokerRow(suite: Suite): Promise<void> {
  const topic = await suite.newTopic();
  const kafka = new Kafka({ brokers: [...suite.brokers.addresses], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const ledger = new Ledger();
  await whileOneBrokerHangs(suite, topic, () => {
    const messages = partitionsOf(topic).map(({ partition }) => ({ partition, value: `${partition}` }));
    const sent = producer.send({ topic, messages }).then(() => {
      for (const { partition, value } of messages) ledger.acknowledge(partition, [value], undefined);
    });
    return [sent];
  });
  await producer.disconnect();
  const findings = await compare(suite.log, topic, ledger);
  recordResult(HANGING_BROKER, "kafkajs as published", isSound(findings), summary(findings));
  // If this fails, either kafkajs is fixed or the suite no longer detects a loss. Find out which.
  expect(findings.lost).toBeGreaterThan(0);
}

const seconds = (ms: number) => (ms / 1000).toFixed(1);

/**
 * Starts writes while broker 1 gets no produce request. When the other brokers have responded, moves all leaders and
 * breaks the connections of broker 1. Its writes must then go to the new leaders, which have already responded for
 * other partitions.
 */
async function whileOneBrokerHangs(
  { brokers }: Suite,
  topic: string,
  startWrites: () => readonly Promise<void>[],
): Promise<void> {
  const [hanging, ...others] = brokers.all;
  const requests = hanging!.proxy.fault({ on: "request", api: api.produce, action: "hold" });
  const responses = others.map(({ proxy }) => proxy.fault({ on: "response", api: api.produce, action: "hold" }));
  const writes = Promise.all(startWrites());
  const allInFlight = () => requests.count() > 0 && responses.every((held) => held.count() > 0);
  await eventually(allInFlight, { timeoutMs: 10_000, what: "produce requests at all three brokers" });
  for (const held of responses) {
    held.release();
    held.end();
  }
  await brokers.moveLeaders(topic);
  requests.end();
  requests.discard();
  await writes;
}
