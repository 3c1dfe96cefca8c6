/** The recovery drills that need nothing but the stack. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { Stack } from "../harness/stack.ts";
import { carryOut, drills, ENV } from "./carry-out.ts";

setDefaultTimeout(240_000);

/** One drill for each way back: by the replica itself, by repair, by resync. `TEST_DRILLS=all` runs all of them. */
const EACH_WAY = [
  "A replica's database is put back from a backup",
  "The source is put back from a backup",
  "A topic is lost or emptied",
  "Everything is lost but the source",
];
const chosen = drills.filter(({ title }) => process.env.TEST_DRILLS === "all" || EACH_WAY.includes(title));

let stack: Stack | undefined;
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
}, 60_000);

test("the page has the drills that run by default", () => {
  expect(drills.map(({ title }) => title)).toEqual(expect.arrayContaining(EACH_WAY));
});

for (const drill of chosen.filter(({ needs }) => needs === "nothing"))
  test(`drill: ${drill.title}`, async () => {
    stack ??= await Stack.start({ env: ENV });
    await carryOut(stack, drill);
  });

for (const drill of chosen.filter(({ needs }) => needs === "three-brokers"))
  test(`drill: ${drill.title}`, async () => {
    await using three = await Stack.start({ brokers: 3, env: ENV });
    await carryOut(three, drill);
  });
