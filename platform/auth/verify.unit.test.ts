/** Valid and invalid tokens, with real keys. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { base64url, createLocalJWKSet, exportSPKI, SignJWT, UnsecuredJWT } from "jose";
import {
  createSigningKey,
  ISSUER,
  type SigningKey,
  secondsFromNow,
  signToken,
  type TokenOptions,
} from "../../tests/harness/token-issuer.ts";
import { KeySetUnavailableError } from "./keys.ts";
import { TokenRejectedError, verifyToken } from "./verify.ts";

const expected = { issuer: ISSUER, audience: "lockstep" };
const algorithms = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
const trusted = new Map<string, SigningKey>();
for (const alg of algorithms) trusted.set(alg, await createSigningKey(alg));
const key = trusted.get("ES256")!;
const keys = { keyFor: createLocalJWKSet({ keys: [...trusted.values()].map(({ publicJwk }) => publicJwk) }) };

const verify = (token: string) => verifyToken(token, keys, expected);
/** Reason for the rejection; undefined for a valid token. */
const reasonOf = async (token: string): Promise<string | undefined> => {
  try {
    await verify(token);
  } catch (error) {
    if (!(error instanceof TokenRejectedError)) throw error;
    if (token.length > 20) expect(error.message).not.toContain(token.slice(0, 20));
    return error.reason;
  }
};
const reasonFor = async (wish: TokenOptions) => reasonOf(await signToken(key, wish));

test.each(algorithms)("a token signed with %s names the caller and its scopes", async (alg) => {
  const token = await signToken(trusted.get(alg)!, { scope: "lockstep:read other" });
  expect(await verify(token)).toEqual({
    subject: "maria",
    scopes: ["lockstep:read", "other"],
    expiresMs: expect.any(Number),
    token,
  });
});

test("an unsigned token, and one with a public key as its secret, is rejected", async () => {
  const claims = { iss: ISSUER, aud: "lockstep", sub: "maria", exp: secondsFromNow(60), scope: "lockstep:write" };
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

test("a key that the token contains or links to is not trusted", async () => {
  const foreign = await createSigningKey("ES256");
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
    expect(await reasonOf(await signToken(foreign, { header }))).toBe("untrusted");
});

test("issuer and audience must match; one of several audiences is enough", async () => {
  expect(await reasonFor({ claims: { iss: "https://other.example" } })).toBe("claims");
  expect(await reasonFor({ claims: { iss: undefined } })).toBe("claims");
  expect(await reasonFor({ claims: { aud: "other" } })).toBe("claims");
  expect(await reasonFor({ claims: { aud: undefined } })).toBe("claims");
  expect(await reasonFor({ claims: { aud: ["other", "lockstep"] } })).toBeUndefined();
});

test("exp is required, nbf is respected, and clocks may differ by 30 s", async () => {
  expect(await reasonFor({ claims: { exp: undefined } })).toBe("claims");
  expect(await reasonFor({ claims: { exp: "tomorrow" } })).toBe("claims");
  expect(await reasonFor({ claims: { exp: secondsFromNow(-40) } })).toBe("expired");
  expect(await reasonFor({ claims: { exp: secondsFromNow(-20) } })).toBeUndefined();
  expect(await reasonFor({ claims: { nbf: secondsFromNow(40) } })).toBe("claims");
  expect(await reasonFor({ claims: { nbf: secondsFromNow(20) } })).toBeUndefined();
});

test("sub is required, in characters that a database and a message header accept", async () => {
  for (const sub of [undefined, "", "x".repeat(256), "a\u0000b", "\ud800", "jürgen", 7])
    expect(await reasonFor({ claims: { sub } })).toBe("claims");
  expect(await reasonFor({ claims: { sub: "x".repeat(255) } })).toBeUndefined();
});

test("other types of JWT are rejected", async () => {
  for (const typ of ["logout+jwt", "secevent+jwt", "dpop+jwt", "x"])
    expect(await reasonFor({ header: { typ } })).toBe("claims");
  for (const typ of ["JWT", "at+jwt", "application/at+jwt"])
    expect(await reasonFor({ header: { typ } })).toBeUndefined();
});

test("a scope claim that is not text grants no scope", async () => {
  const { scopes } = await verify(await signToken(key, { claims: { scope: ["lockstep:write"] } }));
  expect(scopes).toEqual([]);
});

test("each rejection says what is wrong with the token", async () => {
  const foreign = await createSigningKey("ES256");
  const unavailable = {
    keyFor: () => Promise.reject(new KeySetUnavailableError("the issuer's keys cannot be fetched")),
  };
  const messageOf = (token: string, of: Parameters<typeof verifyToken>[1] = keys) =>
    verifyToken(token, of, expected).catch(({ message }) => message);
  expect(await messageOf("x")).toBe("The token is not a signed JWT.");
  expect(await messageOf("x".repeat(8_193))).toBe("The token is longer than 8192 characters.");
  expect(await messageOf(await signToken(foreign))).toBe("The token is not signed with a key of the trusted issuer.");
  expect(await messageOf(await signToken(key, { claims: { exp: secondsFromNow(-40) } }))).toBe(
    "The token has expired; request a new one from its issuer.",
  );
  for (const claim of ["iss", "aud", "sub", "exp"])
    expect(await messageOf(await signToken(key, { claims: { [claim]: undefined } }))).toBe(
      `The token's claim ${claim} is missing or has the wrong value.`,
    );
  expect(await messageOf(await signToken(key, { header: { typ: "logout+jwt" } }))).toBe(
    "The token is not an access token: its type must be at+jwt or JWT.",
  );
  expect(await messageOf(await signToken(key), unavailable)).toBe(
    "The service has not fetched the issuer's keys yet and cannot verify tokens; try again.",
  );
});

test("a token that is too long is rejected", async () => {
  expect(await reasonFor({ claims: { more: "x".repeat(10_000) } })).toBe("malformed");
});

test.each(["", "x", "a.b", "a.b.c", "..", "e30.e30.", `${base64url.encode('{"alg":7}')}.e30.e30`])(
  "%j is malformed",
  async (token) => expect(await reasonOf(token)).toBe("malformed"),
);

test("a valid token with any character changed is rejected", async () => {
  const token = await signToken(key);
  const at = fc.nat(token.length - 1);
  const change = fc.tuple(
    at,
    fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)),
  );
  await fc.assert(
    fc.asyncProperty(change, async ([index, character]) => {
      // The last character of a part has unused bits.
      const isUnusedBits = token[index + 1] === "." || index === token.length - 1;
      fc.pre(token[index] !== character && !isUnusedBits);
      expect(await reasonOf(token.slice(0, index) + character + token.slice(index + 1))).toBeDefined();
    }),
    { numRuns: 300 },
  );
});
