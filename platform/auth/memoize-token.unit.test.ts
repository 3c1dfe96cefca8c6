import { expect, test } from "bun:test";
import { memoizeToken } from "./memoize-token.ts";

test("a good token is judged once a minute, and not after its end; others each time, and not all are kept", async () => {
  let now = 1_000_000;
  let judged = 0;
  const judge = async (token: string) => {
    judged++;
    if (token === "bad") throw new Error("bad");
    return { subject: token, scopes: [], token, expiresMs: token === "short" ? now + 10_000 : now + 3_600_000 };
  };
  const ask = memoizeToken(judge, () => now);
  const judgedFor = async (token: string) => {
    const before = judged;
    await ask(token).catch(() => {});
    return judged - before;
  };
  expect([await judgedFor("a"), await judgedFor("a"), await judgedFor("short"), await judgedFor("short")]).toEqual([
    1, 0, 1, 0,
  ]);
  expect([await judgedFor("bad"), await judgedFor("bad")]).toEqual([1, 1]);
  now += 10_000;
  expect([await judgedFor("a"), await judgedFor("short")]).toEqual([0, 1]);
  now += 50_000;
  expect([await judgedFor("a"), await judgedFor("a")]).toEqual([1, 0]);
  for (let i = 0; i < 1_000; i++) await ask(`t${i}`);
  expect([await judgedFor("a"), await judgedFor("t999")]).toEqual([1, 0]);
});
