/** The issuer's keys, from a server that responds, fails, hangs, or rotates its keys. */
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createLogger } from "../../observability/logger.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { freePort, temporaryFolder } from "../../tests/harness/servers.ts";
import { createSigningKey, ISSUER, signToken, TestIssuer } from "../../tests/harness/token-issuer.ts";
import { IssuerKeys, type KeyRefreshTimes } from "./keys.ts";
import { TokenRejectedError, verifyToken } from "./verify.ts";

const logger = createLogger("test", "1", "silent");
const TIMES: KeyRefreshTimes = { timeoutMs: 200, refreshMs: 60_000, cooldownMs: 0, minIntervalMs: 0 };

let keys: IssuerKeys | undefined;
afterEach(() => keys?.close());
const keysAt = (url: string, times: Partial<KeyRefreshTimes> = {}): IssuerKeys => {
  keys = new IssuerKeys(url, logger, { ...TIMES, ...times });
  return keys;
};

/** "valid", or the reason for the rejection. */
const verify = async (of: IssuerKeys, token: string): Promise<string> => {
  try {
    await verifyToken(token, of, { issuer: ISSUER, audience: "lockstep" });
    return "valid";
  } catch (error) {
    if (!(error instanceof TokenRejectedError)) throw error;
    return error.reason;
  }
};

const WAIT = { timeoutMs: 10_000, everyMs: 20 };

test("keys are fetched once, and again for an unknown key", async () => {
  using issuer = await TestIssuer.start();
  const of = keysAt(issuer.url);
  for (let i = 0; i < 5; i++) expect(await verify(of, await issuer.token())).toBe("valid");
  expect(issuer.requests).toBe(1);
  const old = await issuer.token();
  const next = await createSigningKey("RS256");
  issuer.keys = [next, ...issuer.keys];
  expect(await verify(of, await signToken(next))).toBe("valid");
  expect(await verify(of, old)).toBe("valid");
  expect(issuer.requests).toBe(2);
});

test("tokens of a removed key are rejected after the next refresh", async () => {
  using issuer = await TestIssuer.start();
  const of = keysAt(issuer.url, { refreshMs: 50 });
  const old = await issuer.token();
  expect(await verify(of, old)).toBe("valid");
  issuer.keys = [await createSigningKey("EdDSA")];
  await eventually(async () => (await verify(of, old)) === "untrusted", {
    ...WAIT,
    what: "the old key to be rejected",
  });
});

test("unknown keys and overlong key ids do not flood the issuer", async () => {
  using issuer = await TestIssuer.start();
  const of = keysAt(issuer.url, { cooldownMs: 60_000 });
  expect(await verify(of, await issuer.token())).toBe("valid");
  const foreign = await createSigningKey("ES256");
  for (let i = 0; i < 20; i++)
    expect(await verify(of, await signToken(foreign, { header: { kid: `k${i}` } }))).toBe("untrusted");
  expect(issuer.requests).toBe(1);
  const eager = keysAt(issuer.url);
  expect(await verify(eager, await issuer.token())).toBe("valid");
  expect(await verify(eager, await signToken(foreign, { header: { kid: "k".repeat(257) } }))).toBe("untrusted");
  expect(issuer.requests).toBe(2);
});

test.each(["error", "silence"] as const)(
  "an issuer that answers with %s from the start: tokens cannot be verified until it recovers",
  async (answer) => {
    using issuer = await TestIssuer.start();
    issuer.behavior = answer;
    const of = keysAt(issuer.url, { minIntervalMs: 300 });
    const token = await issuer.token();
    expect(of.check.problem()).toBeString();
    const begun = performance.now();
    for (let i = 0; i < 20; i++) expect(await verify(of, token)).toBe("keys");
    // Not one fetch per token.
    expect(issuer.requests).toBeLessThan(2 + (performance.now() - begun) / 300);
    const key = Promise.resolve(of.keyFor({ alg: "ES256" }, { payload: "", signature: "" }));
    await expect(key).rejects.toMatchObject({
      code: "KEY_SET_UNAVAILABLE",
      message: "the issuer's keys cannot be fetched",
    });
    issuer.behavior = "keys";
    await eventually(async () => (await verify(of, token)) === "valid", { ...WAIT, what: "the keys to be fetched" });
    expect(of.check.problem()).toBeUndefined();
  },
);

test("when the issuer becomes unavailable, the previous keys stay in use", async () => {
  using issuer = await TestIssuer.start();
  const of = keysAt(issuer.url, { refreshMs: 50 });
  expect(await verify(of, await issuer.token())).toBe("valid");
  for (const answer of ["error", "silence"] as const) {
    issuer.behavior = answer;
    const before = issuer.requests;
    await eventually(() => issuer.requests > before + 1, { ...WAIT, what: "fetches that fail" });
    expect(await verify(of, await issuer.token())).toBe("valid");
    expect(await verify(of, await signToken(await createSigningKey("ES256")))).toBe("untrusted");
    expect(of.check.problem()).toBeUndefined();
  }
});

test("the issuer starts after the service", async () => {
  const port = await freePort();
  const of = keysAt(`http://127.0.0.1:${port}/jwks.json`, { minIntervalMs: 50 });
  using later = await TestIssuer.start(port);
  await eventually(async () => (await verify(of, await later.token())) === "valid", { ...WAIT, what: "the keys" });
});

test("keys from a file are refreshed too", async () => {
  const path = join(temporaryFolder("keys"), "jwks.json");
  const [first, second] = [await createSigningKey("EdDSA"), await createSigningKey("PS256")];
  const write = (key: typeof first) => Bun.write(path, JSON.stringify({ keys: [key.publicJwk] }));
  await write(first);
  const of = keysAt(pathToFileURL(path).href);
  expect(await verify(of, await signToken(first))).toBe("valid");
  await write(second);
  expect(await verify(of, await signToken(second))).toBe("valid");
  expect(await verify(of, await signToken(first))).toBe("untrusted");
  expect(await verify(keysAt(pathToFileURL(`${path}.none`).href), await signToken(first))).toBe("keys");
});
