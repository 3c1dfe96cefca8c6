/** An issuer of tokens: real keys, and its JWK set over HTTP, which can be away, silent, or another one from now on. */
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

export const ISSUER = "https://issuer.example";

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

export async function createSigningKey(alg: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, alg, privateKey, publicJwk: { ...jwk, kid, alg, use: "sig" } };
}

/** What a token is to say beside, or instead of, what a good one says; undefined leaves a claim out. */
export interface TokenOptions {
  readonly scope?: string | undefined;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
}

const SECOND_MS = 1_000;

/** Seconds since 1970, so many from now. */
export const secondsFromNow = (seconds: number): number => Math.floor(Date.now() / SECOND_MS) + seconds;

/** A token that is good for a minute and every scope, but for what is wished otherwise. */
export function signToken(key: SigningKey, { scope, claims, header }: TokenOptions = {}): Promise<string> {
  const every = "lockstep:read lockstep:write lockstep:operate";
  const payload = {
    iss: ISSUER,
    aud: "lockstep",
    sub: "maria",
    exp: secondsFromNow(60),
    scope: scope ?? every,
    ...claims,
  };
  return new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);
}

export class TestIssuer implements Disposable {
  /** What is answered from now on. */
  keys: SigningKey[];
  behavior: "keys" | "error" | "silence" = "keys";
  requests = 0;
  private readonly server: Bun.Server<undefined>;

  private constructor(first: SigningKey, port: number) {
    this.keys = [first];
    this.server = Bun.serve({ port, hostname: "127.0.0.1", idleTimeout: 60, fetch: () => this.respond() });
  }

  static async start(port = 0): Promise<TestIssuer> {
    return new TestIssuer(await createSigningKey("ES256"), port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.port}/jwks.json`;
  }

  token(wish?: TokenOptions): Promise<string> {
    return signToken(this.keys[0]!, wish);
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private respond(): Response | Promise<Response> {
    this.requests++;
    if (this.behavior === "silence") return new Promise(() => {});
    if (this.behavior === "error") return new Response("away", { status: 500 });
    return Response.json({ keys: this.keys.map(({ publicJwk }) => publicJwk) });
  }
}
