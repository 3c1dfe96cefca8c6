/** Where the issuer's keys come from, on a server that is there, away, silent, or has other keys from now on. */
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createLogger } from "../../observability/logger.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { ISSUER, Issuer, signingKey, tokenOf } from "../../tests/harness/issuer.ts";
import { freePort, temporaryFolder } from "../../tests/harness/parts.ts";
import { IssuerKeys, type KeyRefreshTimes } from "./keys.ts";
import { TokenRejectedError, verifyToken } from "./verify.ts";

const logger = createLogger("test", "1", "silent");
const PACE: KeyRefreshTimes = { timeoutMs: 200, refreshMs: 60_000, cooldownMs: 0, minIntervalMs: 0 };

let keys: IssuerKeys | undefined;
afterEach(() => keys?.close());
const keysAt = (url: string, pace: Partial<KeyRefreshTimes> = {}): IssuerKeys => {
  keys = new IssuerKeys(url, logger, { ...PACE, ...pace });
  return keys;
};

/** "good", or why it is refused. */
const judge = async (of: IssuerKeys, token: string): Promise<string> => {
  try {
    await verifyToken(token, of, { issuer: ISSUER, audience: "lockstep" });
    return "good";
  } catch (error) {
    if (!(error instanceof TokenRejectedError)) throw error;
    return error.reason;
  }
};

const WAIT = { timeoutMs: 10_000, everyMs: 20 };

test("they are fetched once, and a key that is not known makes them be fetched once more", async () => {
  using issuer = await Issuer.start();
  const of = keysAt(issuer.url);
  for (let i = 0; i < 5; i++) expect(await judge(of, await issuer.token())).toBe("good");
  expect(issuer.asked).toBe(1);
  const old = await issuer.token();
  const next = await signingKey("RS256");
  issuer.keys = [next, ...issuer.keys];
  expect(await judge(of, await tokenOf(next))).toBe("good");
  expect(await judge(of, old)).toBe("good");
  expect(issuer.asked).toBe(2);
});

test("a key that was taken out is good for nothing after the next refresh, with no request in between", async () => {
  using issuer = await Issuer.start();
  const of = keysAt(issuer.url, { refreshMs: 50 });
  const old = await issuer.token();
  expect(await judge(of, old)).toBe("good");
  issuer.keys = [await signingKey("EdDSA")];
  await eventually(async () => (await judge(of, old)) === "untrusted", {
    ...WAIT,
    what: "the old key to be forgotten",
  });
});

test("unknown keys, and huge names of keys, do not flood the issuer", async () => {
  using issuer = await Issuer.start();
  const of = keysAt(issuer.url, { cooldownMs: 60_000 });
  expect(await judge(of, await issuer.token())).toBe("good");
  const foreign = await signingKey("ES256");
  for (let i = 0; i < 20; i++)
    expect(await judge(of, await tokenOf(foreign, { header: { kid: `k${i}` } }))).toBe("untrusted");
  expect(issuer.asked).toBe(1);
  const eager = keysAt(issuer.url);
  expect(await judge(eager, await issuer.token())).toBe("good");
  expect(await judge(eager, await tokenOf(foreign, { header: { kid: "k".repeat(257) } }))).toBe("untrusted");
  expect(issuer.asked).toBe(2);
});

test.each(["error", "silence"] as const)(
  "an issuer that answers with %s from the start: tokens cannot be judged, and can once it is back",
  async (answer) => {
    using issuer = await Issuer.start();
    issuer.answer = answer;
    const of = keysAt(issuer.url, { minIntervalMs: 300 });
    const token = await issuer.token();
    expect(of.check.problem()).toBeString();
    const begun = performance.now();
    for (let i = 0; i < 20; i++) expect(await judge(of, token)).toBe("keys");
    // Each of them could have waited for a fetch of its own.
    expect(issuer.asked).toBeLessThan(2 + (performance.now() - begun) / 300);
    issuer.answer = "keys";
    await eventually(async () => (await judge(of, token)) === "good", { ...WAIT, what: "the keys to be fetched" });
    expect(of.check.problem()).toBeUndefined();
  },
);

test("one that goes away leaves the last good set: what it signed is good, what it did not is not", async () => {
  using issuer = await Issuer.start();
  const of = keysAt(issuer.url, { refreshMs: 50 });
  expect(await judge(of, await issuer.token())).toBe("good");
  for (const answer of ["error", "silence"] as const) {
    issuer.answer = answer;
    const before = issuer.asked;
    await eventually(() => issuer.asked > before + 1, { ...WAIT, what: "fetches that fail" });
    expect(await judge(of, await issuer.token())).toBe("good");
    expect(await judge(of, await tokenOf(await signingKey("ES256")))).toBe("untrusted");
    expect(of.check.problem()).toBeUndefined();
  }
});

test("nobody listens there at the start", async () => {
  const port = await freePort();
  const of = keysAt(`http://127.0.0.1:${port}/jwks.json`, { minIntervalMs: 50 });
  using later = await Issuer.start(port);
  await eventually(async () => (await judge(of, await later.token())) === "good", { ...WAIT, what: "the keys" });
});

test("a file is read again, too", async () => {
  const path = join(temporaryFolder("keys"), "jwks.json");
  const [first, second] = [await signingKey("EdDSA"), await signingKey("PS256")];
  const write = (key: typeof first) => Bun.write(path, JSON.stringify({ keys: [key.publicJwk] }));
  await write(first);
  const of = keysAt(pathToFileURL(path).href);
  expect(await judge(of, await tokenOf(first))).toBe("good");
  await write(second);
  expect(await judge(of, await tokenOf(second))).toBe("good");
  expect(await judge(of, await tokenOf(first))).toBe("untrusted");
  expect(await judge(keysAt(pathToFileURL(`${path}.none`).href), await tokenOf(first))).toBe("keys");
});
