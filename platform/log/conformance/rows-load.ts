/** Rows under load: brokers killed and suspended with leaders on them, leaders moved without a stop. */
import { expect, test } from "bun:test";
import { eventually } from "../../../tests/harness/eventually.ts";
import { compare, inWords, sound } from "./ledger.ts";
import { followed, kafkajsLoad, type Load, seamLoad } from "./load.ts";
import type { Suite } from "./suite.ts";
import { note } from "./table.ts";

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
  const [ours, theirs] = [await suite.topic(), await suite.topic()];
  const seam = await seamLoad(log, ours, `${ours}.writer`);
  const published = await kafkajsLoad(brokers.addresses, theirs, theirs);
  const reader = await followed(await suite.another(), ours);
  await eventually(() => reader.follower.assigned().length === 12, { withinMs: 20_000, what: "12 partitions owned" });

  await faults([ours, theirs]);
  await settled([seam, published]);

  const found = await compare(log, ours, seam.ledger);
  const longest = (seam.longestMs() / 1000).toFixed(1);
  note(row, "seam", sound(found), `${inWords(found)}, longest write ${longest} s, ${seam.reopened()} writers replaced`);
  const foundTheirs = await compare(log, theirs, published.ledger);
  note(row, "kafkajs as published", sound(foundTheirs), inWords(foundTheirs));

  expect(found).toMatchObject({ lost: 0, doubled: 0, reordered: 0, misplaced: 0, unknown: 0 });
  const ends = await log.bounds(ours);
  const caughtUp = () =>
    [...ends].every(([partition, { next }]) => (reader.offsets.get(partition)?.at(-1) ?? -1) >= next - 2);
  await eventually(caughtUp, { withinMs: 20_000, what: "the follower has read everything" });
  const seen = [...reader.offsets.values()].reduce((sum, offsets) => sum + offsets.length, 0);
  expect(seen).toBe(
    found.acknowledged + [...seam.ledger.unsure].length - (await missing(suite, ours, seam.ledger.unsure)),
  );
  if (reader.revoked() === 0) expect(reader.again()).toBe(0);
  await reader.follower.close();
}

const settled = (loads: readonly Load[]) => Promise.all(loads.map((load) => load.stop()));

/** How many of these values are not in the log. */
async function missing({ log }: Suite, topic: string, values: ReadonlySet<string>): Promise<number> {
  const left = new Set(values);
  for (const [partition, { next }] of await log.bounds(topic))
    for await (const records of log.read({ topic, partition }, 0, next))
      for (const { value } of records) left.delete(String(value));
  return left.size;
}
