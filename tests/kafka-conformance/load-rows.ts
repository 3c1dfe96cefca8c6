/**
 * Rows under load: brokers are killed and suspended while they lead partitions, and leaders move between running
 * brokers.
 */
import { expect, test } from "bun:test";
import { eventually } from "../harness/eventually.ts";
import { compare, isSound, summary } from "./ledger.ts";
import { consumeOffsets, kafkajsLoad, PARTITIONS, type SeamLoad, seamLoad } from "./load.ts";
import { type Fencing, fencings, type GetSuite, type Suite } from "./suite.ts";
import { recordResult } from "./table.ts";

/** A round kills or suspends each broker once. */
const ROUNDS = Number(process.env.CONFORMANCE_ROUNDS ?? 1);

/** Declares the rows. All clients run at the same time, each with a topic of its own. */
export function loadRows(getSuite: GetSuite): void {
  test(
    "brokers are killed and suspended in turn: no acknowledged record is lost, duplicated or reordered",
    () => runUnderLoad(getSuite(), "broker kills", (topics) => killBrokers(getSuite(), topics)),
    ROUNDS * 120_000,
  );

  test(
    "leaders move all the time: no acknowledged record is lost, duplicated or reordered",
    () => runUnderLoad(getSuite(), "leader moves", (topics) => moveLeaders(getSuite(), topics)),
    ROUNDS * 60_000,
  );
}

async function killBrokers({ brokers }: Suite, topics: readonly string[]): Promise<void> {
  for (let round = 0; round < ROUNDS; round++)
    for (const broker of brokers.all) {
      // Broker 3 is suspended instead: it resumes as a leader that has missed its own deposition.
      if (broker.id === 3) {
        broker.suspend();
        await Bun.sleep(6_000);
        broker.resume();
      } else {
        await broker.kill();
        await Bun.sleep(4_500);
        await broker.start();
      }
      await Promise.all(topics.map((topic) => brokers.untilInSync(topic)));
    }
}

async function moveLeaders({ brokers }: Suite, topics: readonly string[]): Promise<void> {
  for (let round = 0; round < 3 * ROUNDS; round++) {
    await Promise.all(topics.map((topic) => brokers.moveLeaders(topic)));
    await Bun.sleep(700);
  }
}

/** The load, topic and consumer of one kind of writer. */
interface SeamRun {
  readonly fencing: Fencing;
  readonly topic: string;
  readonly load: SeamLoad;
  readonly reader: Awaited<ReturnType<typeof consumeOffsets>>;
}

async function startSeamRun(suite: Suite, fencing: Fencing): Promise<SeamRun> {
  const topic = await suite.newTopic();
  const load = await seamLoad(await suite.connect(fencing), topic, `${topic}.writer`);
  return { fencing, topic, load, reader: await consumeOffsets(await suite.connect(fencing), topic) };
}

async function runUnderLoad(
  suite: Suite,
  row: string,
  makeFaults: (topics: readonly string[]) => Promise<void>,
): Promise<void> {
  const { log, brokers } = suite;
  const runs = await Promise.all(fencings.map((fencing) => startSeamRun(suite, fencing)));
  const kafkajsTopic = await suite.newTopic();
  const kafkajs = await kafkajsLoad(brokers.addresses, kafkajsTopic, kafkajsTopic);
  for (const { reader } of runs)
    await eventually(() => reader.consumer.assigned().length === PARTITIONS, {
      timeoutMs: 20_000,
      what: "12 partitions assigned",
    });

  await makeFaults([...runs.map(({ topic }) => topic), kafkajsTopic]);
  await Promise.all([...runs.map(({ load }) => load.stop()), kafkajs.stop()]);

  const kafkajsFindings = await compare(log, kafkajsTopic, kafkajs.ledger);
  recordResult(row, "kafkajs as published", isSound(kafkajsFindings), summary(kafkajsFindings));
  for (const run of runs) await checkRun(suite, row, run);
}

/** The log has what was acknowledged, and the consumer that ran all the time has received exactly what the log has. */
async function checkRun(suite: Suite, row: string, { fencing, topic, load, reader }: SeamRun): Promise<void> {
  const findings = await compare(suite.log, topic, load.ledger);
  const longest = (load.longestMs() / 1000).toFixed(1);
  const details = `${summary(findings)}, longest write ${longest} s, ${load.reopened()} writers replaced`;
  recordResult(row, `seam, ${fencing}`, isSound(findings), details);
  expect(findings).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, misplaced: 0, foreign: 0 });

  const { unknownOutcome } = load.ledger;
  const expected = findings.acknowledged + unknownOutcome.size - (await countMissing(suite, topic, unknownOutcome));
  const received = () => [...reader.offsets.values()].reduce((sum, offsets) => sum + offsets.length, 0);
  await eventually(() => received() >= expected, { timeoutMs: 20_000, what: `the consumer has ${expected} records` });
  expect(received()).toBe(expected);
  if (reader.revoked() === 0) expect(reader.redelivered()).toBe(0);
  await reader.consumer.close();
}

/** Returns how many of these values are not in the log. */
async function countMissing({ log }: Suite, topic: string, values: ReadonlySet<string>): Promise<number> {
  const missing = new Set(values);
  for (const [partition, { next }] of await log.offsets(topic))
    for await (const records of log.read({ topic, partition }, 0, next))
      for (const { value } of records) missing.delete(String(value));
  return missing.size;
}
