/** Answers of a client that logs in: the password itself, MD5, or SCRAM-SHA-256 (RFC 5802, RFC 7677). */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";

/** Kinds of an authentication message. */
const OK = 0;
const CLEARTEXT = 3;
const MD5 = 5;
const SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;

const MECHANISM = "SCRAM-SHA-256";

const hmac = (key: Uint8Array, text: string): Buffer => createHmac("sha256", key).update(text).digest();
const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
const md5 = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/** What a client sends to log in. */
export interface Credentials {
  readonly text: string;
  /** The mechanism of SASL, in the first message only. */
  readonly mechanism?: string;
}

/** The login of one session. */
export class Authentication {
  private readonly nonce = randomBytes(18).toString("base64");
  private serverSignature: Buffer | undefined;

  constructor(
    private readonly user: string,
    private readonly password: string,
  ) {}

  /**
   * @param body of an authentication message, after its length.
   * @returns the answer; undefined when the message needs none.
   * @throws {Error} when the server asks for a method that this client does not have, or does not know the password.
   */
  answer(body: Buffer): Credentials | undefined {
    const kind = body.readInt32BE(0);
    switch (kind) {
      case OK:
        return undefined;
      case CLEARTEXT:
        return { text: `${this.password}\0` };
      case MD5:
        return { text: `md5${md5(md5(this.password, this.user), body.subarray(4))}\0` };
      case SASL:
        if (!body.toString("utf8", 4).split("\0").includes(MECHANISM)) break;
        return { text: `n,,${this.clientFirst}`, mechanism: MECHANISM };
      case SASL_CONTINUE:
        return { text: this.clientFinal(body.toString("utf8", 4)) };
      case SASL_FINAL:
        this.requireSignature(body.toString("utf8", 4));
        return undefined;
    }
    throw new Error(`the server asks for an authentication method (${kind}) that is not supported`);
  }

  private get clientFirst(): string {
    return `n=*,r=${this.nonce}`;
  }

  private clientFinal(serverFirst: string): string {
    const { r: nonce = "", s: salt = "", i: iterations } = attributesOf(serverFirst);
    if (!nonce.startsWith(this.nonce)) throw new Error("the server answered the login with another nonce");
    const salted = pbkdf2Sync(this.password, Buffer.from(salt, "base64"), Number(iterations), 32, "sha256");
    const withoutProof = `c=biws,r=${nonce}`;
    const signed = `${this.clientFirst},${serverFirst},${withoutProof}`;
    const clientKey = hmac(salted, "Client Key");
    const signature = hmac(sha256(clientKey), signed);
    this.serverSignature = hmac(hmac(salted, "Server Key"), signed);
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!));
    return `${withoutProof},p=${proof.toString("base64")}`;
  }

  private requireSignature(serverFinal: string): void {
    const given = Buffer.from(attributesOf(serverFinal).v ?? "", "base64");
    const { serverSignature } = this;
    if (serverSignature?.length === given.length && timingSafeEqual(serverSignature, given)) return;
    throw new Error("the server did not prove that it knows the password");
  }
}

const attributesOf = (message: string): Record<string, string> =>
  Object.fromEntries(message.split(",").map((attribute) => [attribute[0]!, attribute.slice(2)]));
