/** Which tokens are good, with real keys. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { base64url, createLocalJWKSet, exportSPKI, SignJWT, UnsecuredJWT } from "jose";
import { ISSUER, inSeconds, type SigningKey, signingKey, tokenOf, type Wish } from "../../tests/harness/issuer.ts";
import { TokenRejectedError, verifyToken } from "./verify.ts";

const expected = { issuer: ISSUER, audience: "lockstep" };
const algorithms = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
const trusted = new Map<string, SigningKey>();
for (const alg of algorithms) trusted.set(alg, await signingKey(alg));
const key = trusted.get("ES256")!;
const keys = { keyFor: createLocalJWKSet({ keys: [...trusted.values()].map(({ publicJwk }) => publicJwk) }) };

const judge = (token: string) => verifyToken(token, keys, expected);
/** Why a token is refused; undefined when it is not. */
const reasonOf = async (token: string): Promise<string | undefined> => {
  try {
    await judge(token);
  } catch (error) {
    if (!(error instanceof TokenRejectedError)) throw error;
    if (token.length > 20) expect(error.message).not.toContain(token.slice(0, 20));
    return error.reason;
  }
};
const wished = async (wish: Wish) => reasonOf(await tokenOf(key, wish));

test.each(algorithms)("a token signed by %s says who asks and what they may", async (alg) => {
  const token = await tokenOf(trusted.get(alg)!, { scope: "lockstep:read other" });
  expect(await judge(token)).toEqual({
    subject: "maria",
    scopes: ["lockstep:read", "other"],
    expiresMs: expect.any(Number),
    token,
  });
});

test("without a signature, or with a public key taken for a secret, it is none", async () => {
  const claims = { iss: ISSUER, aud: "lockstep", sub: "maria", exp: inSeconds(60), scope: "lockstep:write" };
  expect(await reasonOf(new UnsecuredJWT(claims).encode())).toBeDefined();
  const { publicKey } = await crypto.subtle
    .importKey("jwk", trusted.get("RS256")!.publicJwk, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, true, ["verify"])
    .then((publicKey) => ({ publicKey }));
  const secrets = [await exportSPKI(publicKey), JSON.stringify(trusted.get("RS256")!.publicJwk)];
  for (const secret of secrets) {
    const kid = trusted.get("RS256")!.kid;
    const token = await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid }).sign(Buffer.from(secret));
    expect(await reasonOf(token)).toBe("untrusted");
  }
});

test("a key that the token brings or points to is nobody's", async () => {
  const foreign = await signingKey("ES256");
  const { publicJwk } = foreign;
  const jku = "http://127.0.0.1:9/jwks.json";
  for (const header of [
    {},
    { jwk: publicJwk },
    { jku },
    { x5u: jku },
    { kid: key.kid, jwk: publicJwk },
    { kid: undefined },
  ])
    expect(await reasonOf(await tokenOf(foreign, { header }))).toBe("untrusted");
});

test("issuer and audience must be ours; of several audiences one", async () => {
  expect(await wished({ claims: { iss: "https://other.example" } })).toBe("claims");
  expect(await wished({ claims: { iss: undefined } })).toBe("claims");
  expect(await wished({ claims: { aud: "other" } })).toBe("claims");
  expect(await wished({ claims: { aud: undefined } })).toBe("claims");
  expect(await wished({ claims: { aud: ["other", "lockstep"] } })).toBeUndefined();
});

test("it has an end, and a begin if it says so; clocks may differ by 30 s", async () => {
  expect(await wished({ claims: { exp: undefined } })).toBe("claims");
  expect(await wished({ claims: { exp: "tomorrow" } })).toBe("claims");
  expect(await wished({ claims: { exp: inSeconds(-40) } })).toBe("expired");
  expect(await wished({ claims: { exp: inSeconds(-20) } })).toBeUndefined();
  expect(await wished({ claims: { nbf: inSeconds(40) } })).toBe("claims");
  expect(await wished({ claims: { nbf: inSeconds(20) } })).toBeUndefined();
});

test("it says whom it is about, in words that a database and a log header take", async () => {
  for (const sub of [undefined, "", "x".repeat(256), "a\u0000b", "\ud800", "jürgen", 7])
    expect(await wished({ claims: { sub } })).toBe("claims");
  expect(await wished({ claims: { sub: "x".repeat(255) } })).toBeUndefined();
});

test("other kinds of JWT are no access tokens", async () => {
  for (const typ of ["logout+jwt", "secevent+jwt", "dpop+jwt", "x"])
    expect(await wished({ header: { typ } })).toBe("claims");
  for (const typ of ["JWT", "at+jwt", "application/at+jwt"]) expect(await wished({ header: { typ } })).toBeUndefined();
});

test("scopes that are no text are none", async () => {
  const { scopes } = await judge(await tokenOf(key, { claims: { scope: ["lockstep:write"] } }));
  expect(scopes).toEqual([]);
});

test("its size is bounded", async () => {
  expect(await wished({ claims: { more: "x".repeat(10_000) } })).toBe("malformed");
});

test.each(["", "x", "a.b", "a.b.c", "..", "e30.e30.", `${base64url.encode('{"alg":7}')}.e30.e30`])(
  "%j cannot be read",
  async (token) => expect(await reasonOf(token)).toBe("malformed"),
);

test("whatever is changed about a good one, it is refused", async () => {
  const token = await tokenOf(key);
  const at = fc.nat(token.length - 1);
  const change = fc.tuple(
    at,
    fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)),
  );
  await fc.assert(
    fc.asyncProperty(change, async ([index, character]) => {
      // The last character of a part holds bits that mean nothing.
      const meaningless = token[index + 1] === "." || index === token.length - 1;
      fc.pre(token[index] !== character && !meaningless);
      expect(await reasonOf(token.slice(0, index) + character + token.slice(index + 1))).toBeDefined();
    }),
    { numRuns: 300 },
  );
});
