/** The recovery drills that need nothing but the stack. */
import { afterAll, setDefaultTimeout, test } from "bun:test";
import { Stack } from "../harness/stack.ts";
import { carryOut, drills, ENV } from "./carry-out.ts";

setDefaultTimeout(240_000);

let stack: Stack | undefined;
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
}, 60_000);

for (const drill of drills.filter(({ needs }) => needs === "nothing"))
  test(`drill: ${drill.title}`, async () => {
    stack ??= await Stack.start({ env: ENV });
    await carryOut(stack, drill);
  });

for (const drill of drills.filter(({ needs }) => needs === "three-brokers"))
  test(`drill: ${drill.title}`, async () => {
    await using three = await Stack.start({ brokers: 3, env: ENV });
    await carryOut(three, drill);
  });
