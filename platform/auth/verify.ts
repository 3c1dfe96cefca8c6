/** Judges a bearer token: a JWT (RFC 7519, 8725, 9068) of one issuer, for one audience, signed by one of its keys. */

import { errors, jwtVerify } from "jose";
import { LockstepError } from "../../contracts/errors.ts";
import { type IssuerKeys, KeySetUnavailableError } from "./keys.ts";

/** Who asks, as the issuer says. */
export interface Caller {
  /** The claim `sub`: printable ASCII, 255 characters at most (OpenID Connect Core, section 2). */
  readonly subject: string;
  readonly scopes: readonly string[];
  /** From when on the token is none any more, in milliseconds since 1970. */
  readonly expiresMs: number;
  /** To be passed on where something is done in the caller's name; never to be told. */
  readonly token: string;
}

/** Why somebody is not let in, as the metric tells it. */
export type Reason = "missing" | "malformed" | "untrusted" | "expired" | "claims" | "scope" | "keys";

/** The message is for the caller, and holds nothing of the token. */
export class TokenRejectedError extends LockstepError {
  constructor(
    readonly reason: Reason,
    message: string,
    cause?: unknown,
  ) {
    super("TOKEN_REJECTED", message, { cause });
  }
}

/** What the claims iss and aud must be. */
export interface Expected {
  readonly issuer: string;
  readonly audience: string;
}

/** Asymmetric ones only: a public key taken for a secret (HS256) or no signature at all must not be possible. */
const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
/** Clocks may differ by so many seconds. */
const TOLERANCE_S = 30;
const LONGEST_TOKEN = 8_192;
/** Other kinds of JWT of the same issuer are no access tokens (RFC 8725, section 3.11); not every issuer names them by RFC 9068. */
const TYPES = /^(application\/)?(at\+)?jwt$/i;
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

/** @throws {TokenRejectedError} whatever is wrong with it. */
export async function verifyToken(
  token: string,
  keys: Pick<IssuerKeys, "keyFor">,
  expected: Expected,
): Promise<Caller> {
  if (token.length > LONGEST_TOKEN)
    throw new TokenRejectedError("malformed", `The token is longer than ${LONGEST_TOKEN} characters.`);
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys.keyFor, {
      ...expected,
      algorithms: ALGORITHMS,
      clockTolerance: TOLERANCE_S,
      requiredClaims: ["exp", "sub"],
    });
    if (!TYPES.test(protectedHeader.typ ?? "JWT"))
      throw new TokenRejectedError("claims", "The token is of another type than an access token.");
    const { sub, scope } = payload;
    if (typeof sub !== "string" || !SUBJECT.test(sub)) throw claimRefused("sub");
    const expiresMs = ((payload.exp ?? 0) + TOLERANCE_S) * 1_000;
    return { subject: sub, scopes: typeof scope === "string" ? scope.split(" ") : [], expiresMs, token };
  } catch (error) {
    throw refused(error);
  }
}

const claimRefused = (claim: string, cause?: unknown): TokenRejectedError =>
  new TokenRejectedError("claims", `The token's claim ${claim} is missing, or not what is expected here.`, cause);

function refused(error: unknown): unknown {
  if (error instanceof KeySetUnavailableError)
    return new TokenRejectedError(
      "keys",
      "The issuer's keys, by which tokens are judged, are not there yet; try again.",
      error,
    );
  if (error instanceof errors.JWTExpired)
    return new TokenRejectedError("expired", "The token has expired; ask its issuer for a new one.", error);
  if (error instanceof errors.JWTClaimValidationFailed) return claimRefused(error.claim, error);
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
    return new TokenRejectedError("malformed", "The token cannot be read: it is no signed JWT.", error);
  if (error instanceof errors.JOSEError)
    return new TokenRejectedError(
      "untrusted",
      "The token is not signed by a key of the issuer that is trusted here.",
      error,
    );
  return error;
}
