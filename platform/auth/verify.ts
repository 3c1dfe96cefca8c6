/**
 * Verifies bearer tokens: JWTs (RFC 7519, 8725, 9068) of one issuer, for one audience, signed with one of the issuer's
 * keys.
 */
import { errors, jwtVerify } from "jose";
import { LockstepError } from "../../contracts/errors.ts";
import { type IssuerKeys, KeySetUnavailableError } from "./keys.ts";

/** The authenticated client of a request. */
export interface Caller {
  /** The claim `sub`: printable ASCII, at most 255 characters (OpenID Connect Core, section 2). */
  readonly subject: string;
  readonly scopes: readonly string[];
  /** Expiry of the token, in milliseconds since 1970. */
  readonly expiresMs: number;
  /** For requests on behalf of the caller. Never log it and never send it back. */
  readonly token: string;
}

/** Why a request is rejected; a label of the metric `lockstep_auth_refusals_total`. */
export type RejectionReason = "missing" | "malformed" | "untrusted" | "expired" | "claims" | "scope" | "keys";

/** A request without an acceptable token. The message is for the client and contains no part of the token. */
export class TokenRejectedError extends LockstepError {
  constructor(
    readonly reason: RejectionReason,
    message: string,
    cause?: unknown,
  ) {
    super("TOKEN_REJECTED", message, { cause });
  }
}

/** Required values of the claims `iss` and `aud`. */
export interface ExpectedClaims {
  readonly issuer: string;
  readonly audience: string;
}

/** Asymmetric algorithms only. With HS256 a public key could be used as the secret, and `none` has no signature. */
const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
const CLOCK_TOLERANCE_S = 30;
const MAX_TOKEN_LENGTH = 8_192;
/** Only access tokens (RFC 8725, section 3.11). Plain `JWT` is accepted because not every issuer follows RFC 9068. */
const TYPES = /^(application\/)?(at\+)?jwt$/i;
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

/**
 * Verifies signature, type, claims and expiry. Clocks may differ by 30 s.
 *
 * @throws {TokenRejectedError} with the first reason that it finds.
 */
export async function verifyToken(
  token: string,
  keys: Pick<IssuerKeys, "keyFor">,
  expected: ExpectedClaims,
): Promise<Caller> {
  if (token.length > MAX_TOKEN_LENGTH)
    throw new TokenRejectedError("malformed", `The token is longer than ${MAX_TOKEN_LENGTH} characters.`);
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys.keyFor, {
      ...expected,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_S,
      requiredClaims: ["exp", "sub"],
    });
    if (!TYPES.test(protectedHeader.typ ?? "JWT"))
      throw new TokenRejectedError("claims", "The token is not an access token: its type must be at+jwt or JWT.");
    const { sub, scope } = payload;
    if (typeof sub !== "string" || !SUBJECT.test(sub)) throw claimRejected("sub");
    const expiresMs = ((payload.exp ?? 0) + CLOCK_TOLERANCE_S) * 1_000;
    return { subject: sub, scopes: typeof scope === "string" ? scope.split(" ") : [], expiresMs, token };
  } catch (error) {
    throw toRejection(error);
  }
}

const claimRejected = (claim: string, cause?: unknown): TokenRejectedError =>
  new TokenRejectedError("claims", `The token's claim ${claim} is missing or has the wrong value.`, cause);

function toRejection(error: unknown): unknown {
  if (error instanceof KeySetUnavailableError)
    return new TokenRejectedError(
      "keys",
      "The service has not fetched the issuer's keys yet and cannot verify tokens; try again.",
      error,
    );
  if (error instanceof errors.JWTExpired)
    return new TokenRejectedError("expired", "The token has expired; request a new one from its issuer.", error);
  if (error instanceof errors.JWTClaimValidationFailed) return claimRejected(error.claim, error);
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
    return new TokenRejectedError("malformed", "The token is not a signed JWT.", error);
  if (error instanceof errors.JOSEError)
    return new TokenRejectedError("untrusted", "The token is not signed with a key of the trusted issuer.", error);
  return error;
}
