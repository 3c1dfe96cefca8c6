/**
 * A token issuer for development: a key pair in the stack's data folder, which `bun run up --auth` creates. Everyone
 * who can read the folder can issue tokens. In production use a real issuer, whose private key the services never see.
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
const keySetFile = (data: string): string => join(resolve(data), "auth", "jwks.json");

/** Settings with which services accept tokens of this key only. */
export const developmentSettings = (data: string) => ({
  LOCKSTEP_AUTH: "jwt",
  LOCKSTEP_AUTH_ISSUER: ISSUER,
  LOCKSTEP_AUTH_AUDIENCE: AUDIENCE,
  LOCKSTEP_AUTH_JWKS: pathToFileURL(keySetFile(data)).href,
});

/**
 * Creates the key pair unless it exists, so that tokens stay valid after a restart. Only the owner can read the files.
 */
export async function ensureDevelopmentKey(data: string): Promise<void> {
  if (existsSync(keyFile(data)) && existsSync(keySetFile(data))) return;
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  mkdirSync(join(resolve(data), "auth"), { recursive: true, mode: 0o700 });
  const write = (file: string, content: unknown) =>
    writeFileSync(file, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  write(keyFile(data), { ...(await exportJWK(privateKey)), kid });
  write(keySetFile(data), { keys: [{ ...jwk, kid, alg: ALGORITHM, use: "sig" }] });
}

/** Claims of a development token. */
export interface DevelopmentTokenRequest {
  /** Scopes, separated by spaces. */
  readonly scope: string;
  readonly subject: string;
  /** A number with s, m, h or d: `1h`. */
  readonly lifetime: string;
}

/** Issues a token. @returns undefined when the folder has no development key. */
export async function developmentToken(data: string, request: DevelopmentTokenRequest): Promise<string | undefined> {
  if (!existsSync(keyFile(data))) return undefined;
  const jwk = JSON.parse(readFileSync(keyFile(data), "utf8")) as JWK;
  return new SignJWT({ scope: request.scope })
    .setProtectedHeader({ alg: ALGORITHM, kid: jwk.kid!, typ: "at+jwt" })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(request.subject)
    .setIssuedAt()
    .setExpirationTime(request.lifetime)
    .sign(await importJWK(jwk, ALGORITHM));
}

/** Longer than any load test. */
const TOOL_TOKEN_LIFETIME = "24h";

/**
 * The token that a tool sends to a stack's gateway: the given one, else a new development token.
 *
 * @param given value of LOCKSTEP_TOKEN.
 * @param data folder of the stack; undefined when only the stack's URL is known.
 * @returns undefined when there is neither. A gateway with LOCKSTEP_AUTH=jwt then rejects the tool's requests.
 */
export async function toolToken(given: string | undefined, data: string | undefined): Promise<string | undefined> {
  if (given !== undefined || data === undefined) return given;
  const scope = scopes.join(" ");
  return developmentToken(data, { scope, subject: "lockstep-tools", lifetime: TOOL_TOKEN_LIFETIME });
}
