/**
 * An issuer for trying it out: a key pair in a stack's data folder, made by `bun run up --auth`. Whoever can read that folder can make any
 * token; a real issuer's key is never near the services.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { scopes } from "../../contracts/scopes.ts";

const ALGORITHM = "EdDSA";
const ISSUER = "urn:lockstep:development";
const AUDIENCE = "lockstep";

const keyFile = (data: string): string => join(resolve(data), "auth", "key.json");
const setFile = (data: string): string => join(resolve(data), "auth", "jwks.json");

/** What services are told, so that they trust this key and no other. */
export const developmentSettings = (data: string) => ({
  LOCKSTEP_AUTH: "jwt",
  LOCKSTEP_AUTH_ISSUER: ISSUER,
  LOCKSTEP_AUTH_AUDIENCE: AUDIENCE,
  LOCKSTEP_AUTH_JWKS: pathToFileURL(setFile(data)).href,
});

/** Makes the key pair unless there is one: tokens stay good over restarts. Only its owner may read it. */
export async function ensureDevelopmentKey(data: string): Promise<void> {
  if (existsSync(keyFile(data)) && existsSync(setFile(data))) return;
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  mkdirSync(join(resolve(data), "auth"), { recursive: true, mode: 0o700 });
  const write = (file: string, content: unknown) =>
    writeFileSync(file, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  write(keyFile(data), { ...(await exportJWK(privateKey)), kid });
  write(setFile(data), { keys: [{ ...jwk, kid, alg: ALGORITHM, use: "sig" }] });
}

export interface DevelopmentTokenRequest {
  readonly scope: string;
  readonly subject: string;
  /** A number and s, m, h or d: `1h`. */
  readonly lasts: string;
}

/** @returns a token; undefined when the folder has no development key. */
export async function developmentToken(data: string, wish: DevelopmentTokenRequest): Promise<string | undefined> {
  if (!existsSync(keyFile(data))) return undefined;
  const jwk = JSON.parse(readFileSync(keyFile(data), "utf8")) as JWK;
  return new SignJWT({ scope: wish.scope })
    .setProtectedHeader({ alg: ALGORITHM, kid: jwk.kid!, typ: "at+jwt" })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(wish.subject)
    .setIssuedAt()
    .setExpirationTime(wish.lasts)
    .sign(await importJWK(jwk, ALGORITHM));
}

/** Longer than any load test. */
const TOOL_LASTS = "24h";

/**
 * What a tool sends to a stack's gateway: the token that it was given, else one that it makes itself.
 *
 * @param given LOCKSTEP_TOKEN. @param data folder of the stack; undefined for one that is known by its URL only.
 * @returns undefined when there is neither: the gateway then asks nobody, or refuses.
 */
export async function toolToken(given: string | undefined, data: string | undefined): Promise<string | undefined> {
  if (given !== undefined || data === undefined) return given;
  return developmentToken(data, { scope: scopes.join(" "), subject: "lockstep-tools", lasts: TOOL_LASTS });
}
