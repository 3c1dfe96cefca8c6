/** An issuer of access tokens with real keys. It serves its JWK set over HTTP, and can fail, hang or rotate its keys. */
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** The `iss` claim of every token. */
export const ISSUER = "https://issuer.example";

/** A key pair with its JWK thumbprint as key id (RFC 7638). */
export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** Creates a key pair. @param alg a JWS algorithm such as `ES256`. */
export async function createSigningKey(alg: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, alg, privateKey, publicJwk: { ...jwk, kid, alg, use: "sig" } };
}

/** What differs from a valid token. A claim of undefined is omitted. */
export interface TokenOptions {
  readonly scope?: string | undefined;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
}

const SECOND_MS = 1_000;

/** Returns the time `seconds` from now, in seconds since 1970. */
export const secondsFromNow = (seconds: number): number => Math.floor(Date.now() / SECOND_MS) + seconds;

/** Signs a token that is valid for a minute and grants every scope, unless the options say otherwise. */
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

/** The issuer's HTTP server. Disposing it stops the server. */
export class TestIssuer implements Disposable {
  /** Keys that the next responses contain; the first one signs. */
  keys: SigningKey[];
  /** `keys`: responds with the JWK set. `error`: with 500. `silence`: never responds. */
  behavior: "keys" | "error" | "silence" = "keys";
  /** Requests received so far. */
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
    if (this.behavior === "error") return new Response("unavailable", { status: 500 });
    return Response.json({ keys: this.keys.map(({ publicJwk }) => publicJwk) });
  }
}
