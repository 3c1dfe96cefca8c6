/** Rows under load: brokers killed and suspended with leaders on them, leaders moved without a stop. */
import { expect, test } from "bun:test";
import { eventually } from "../harness/eventually.ts";
import { compare, isSound, summary } from "./ledger.ts";
import { consumeOffsets, kafkajsLoad, seamLoad } from "./load.ts";
import { type Fencing, fencings, type Suite } from "./suite.ts";
import { recordResult } from "./table.ts";

/** Rounds of the kills; each kills or suspends every broker once. More in the long form. */
const ROUNDS = Number(process.env.CONFORMANCE_ROUNDS ?? 1);

export function loadRows(suite: () => Suite): void {
  test(
    "brokers are killed and suspended in turn under load: nothing acknowledged is lost, doubled or reordered",
    async () => {
      await underLoad(suite(), "broker kills", async (topics) => {
        for (let round = 0; round < ROUNDS; round++)
          for (const broker of suite().brokers.all) {
            // One of the three is suspended: it comes back as a leader that has missed its own deposition.
            if (broker.id === 3) {
              broker.suspend();
              await Bun.sleep(6_000);
              broker.resume();
            } else {
              await broker.kill();
              await Bun.sleep(4_500);
              await broker.start();
            }
            await Promise.all(topics.map((topic) => suite().brokers.inSync(topic)));
          }
      });
    },
    ROUNDS * 120_000,
  );

  test(
    "leaders move without a stop under load: nothing acknowledged is lost, doubled or reordered",
    async () => {
      await underLoad(suite(), "leader moves", async (topics) => {
        for (let round = 0; round < 3 * ROUNDS; round++) {
          await Promise.all(topics.map((topic) => suite().brokers.moveLeaders(topic)));
          await Bun.sleep(700);
        }
      });
    },
    ROUNDS * 60_000,
  );
}

async function underLoad(
  suite: Suite,
  row: string,
  faults: (topics: readonly string[]) => Promise<void>,
): Promise<void> {
  const { log, brokers } = suite;
  const seams = await Promise.all(
    fencings.map(async (fencing) => {
      const topic = await suite.topic();
      const load = await seamLoad(await suite.connect(fencing), topic, `${topic}.writer`);
      return { fencing, topic, load, reader: await consumeOffsets(await suite.connect(fencing), topic) };
    }),
  );
  const theirs = await suite.topic();
  const published = await kafkajsLoad(brokers.addresses, theirs, theirs);
  for (const { reader } of seams)
    await eventually(() => reader.follower.assigned().length === 12, {
      timeoutMs: 20_000,
      what: "12 partitions owned",
    });

  await faults([...seams.map(({ topic }) => topic), theirs]);
  await Promise.all([...seams.map(({ load }) => load.stop()), published.stop()]);

  const foundTheirs = await compare(log, theirs, published.ledger);
  recordResult(row, "kafkajs as published", isSound(foundTheirs), summary(foundTheirs));
  for (const seam of seams) await judge(suite, row, seam);
}

type Seam = {
  readonly fencing: Fencing;
  readonly topic: string;
  readonly load: Awaited<ReturnType<typeof seamLoad>>;
  readonly reader: Awaited<ReturnType<typeof consumeOffsets>>;
};

/** What was acknowledged is in the log, and the follower that ran through it all has seen exactly what is there. */
async function judge(suite: Suite, row: string, { fencing, topic, load, reader }: Seam): Promise<void> {
  const { log } = suite;
  const found = await compare(log, topic, load.ledger);
  const longest = (load.longestMs() / 1000).toFixed(1);
  const seen = `${summary(found)}, longest write ${longest} s, ${load.reopened()} writers replaced`;
  recordResult(row, `seam, ${fencing}`, isSound(found), seen);
  expect(found).toMatchObject({ lost: 0, doubled: 0, reordered: 0, misplaced: 0, unknown: 0 });

  const expected =
    found.acknowledged + load.ledger.unknownOutcome.size - (await missing(suite, topic, load.ledger.unknownOutcome));
  const read = () => [...reader.offsets.values()].reduce((sum, offsets) => sum + offsets.length, 0);
  await eventually(() => read() >= expected, { timeoutMs: 20_000, what: "the follower has read everything" });
  expect(read()).toBe(expected);
  if (reader.revoked() === 0) expect(reader.again()).toBe(0);
  await reader.follower.close();
}

/** How many of these values are not in the log. */
async function missing({ log }: Suite, topic: string, values: ReadonlySet<string>): Promise<number> {
  const left = new Set(values);
  for (const [partition, { next }] of await log.offsets(topic))
    for await (const records of log.read({ topic, partition }, 0, next))
      for (const { value } of records) left.delete(String(value));
  return left.size;
}
