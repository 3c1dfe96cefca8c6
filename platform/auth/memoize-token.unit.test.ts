import { expect, test } from "bun:test";
import { memoizeToken } from "./memoize-token.ts";

test("a valid token is verified once a minute and not used after its expiry; an invalid one is verified each time; the cache is bounded", async () => {
  let now = 1_000_000;
  let verified = 0;
  const verify = async (token: string) => {
    verified++;
    if (token === "bad") throw new Error("bad");
    return { subject: token, scopes: [], token, expiresMs: token === "short" ? now + 10_000 : now + 3_600_000 };
  };
  const cached = memoizeToken(verify, () => now);
  const verificationsFor = async (token: string) => {
    const before = verified;
    await cached(token).catch(() => {});
    return verified - before;
  };
  expect([
    await verificationsFor("a"),
    await verificationsFor("a"),
    await verificationsFor("short"),
    await verificationsFor("short"),
  ]).toEqual([1, 0, 1, 0]);
  expect([await verificationsFor("bad"), await verificationsFor("bad")]).toEqual([1, 1]);
  now += 10_000;
  expect([await verificationsFor("a"), await verificationsFor("short")]).toEqual([0, 1]);
  now += 50_000;
  expect([await verificationsFor("a"), await verificationsFor("a")]).toEqual([1, 0]);
  for (let i = 0; i < 1_000; i++) await cached(`t${i}`);
  expect([await verificationsFor("a"), await verificationsFor("t999")]).toEqual([1, 0]);
});
