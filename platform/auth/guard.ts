/** Authorization over HTTP: bearer tokens (RFC 6750) with scopes, or none at all (`LOCKSTEP_AUTH=off`). */
import type { Context, MiddlewareHandler } from "hono";
import { RequestError } from "../../contracts/errors.ts";
import type { Scope } from "../../contracts/scopes.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { isLoopback } from "../http/loopback.ts";
import type { Check } from "../service.ts";
import { type Settings, SettingsError } from "../settings/settings.ts";
import { IssuerKeys } from "./keys.ts";
import { memoizeToken } from "./memoize-token.ts";
import { type Caller, type RejectionReason, TokenRejectedError, verifyToken } from "./verify.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** The authenticated client; undefined with `LOCKSTEP_AUTH=off`. */
    caller?: Caller;
  }
}

/** The authorization of one service. */
export interface Auth {
  /** Part of the service's readiness. */
  readonly checks: readonly Check[];
  /** False: the guard lets every request pass. */
  readonly isRequired: boolean;
  /** Authorization middleware. Routes registered before it are public; routes after it need a token. */
  readonly guard: MiddlewareHandler;
  close(): void;
}

/** What a service requires of its clients. */
export interface AuthRules {
  /** The scope that a request with this method needs. */
  readonly scopeOf: (method: string) => Scope;
  /**
   * Also accepts the token as the password of HTTP Basic, with any user name, for browsers. Default
   * false.
   */
  readonly basic?: boolean;
}

/** What {@link createAuth} needs. */
export interface AuthDeps {
  readonly settings: Settings;
  readonly metrics: Pick<Metrics, "authRefusals">;
  readonly logger: Logger;
}

/**
 * Creates the authorization that the settings ask for.
 *
 * @throws {SettingsError} as {@link rejectUnauthenticatedBind} does.
 */
export function createAuth({ settings, metrics, logger }: AuthDeps, rules: AuthRules): Auth {
  rejectUnauthenticatedBind(settings);
  const { LOCKSTEP_AUTH, LOCKSTEP_AUTH_ISSUER: issuer, LOCKSTEP_AUTH_JWKS: keysUrl } = settings;
  if (LOCKSTEP_AUTH !== "jwt") return { checks: [], isRequired: false, guard: (_, next) => next(), close: () => {} };
  // `readSettings` requires both. Settings that were made in another way must not disable authorization.
  if (!issuer || !keysUrl)
    throw new SettingsError(["LOCKSTEP_AUTH=jwt: set LOCKSTEP_AUTH_ISSUER and LOCKSTEP_AUTH_JWKS too"]);
  const keys = new IssuerKeys(keysUrl, logger);
  const expected = { issuer, audience: settings.LOCKSTEP_AUTH_AUDIENCE };
  const verify = memoizeToken((token) => verifyToken(token, keys, expected));
  const onReject = (reason: RejectionReason) => metrics.authRefusals.inc({ reason });
  return {
    checks: [keys.check],
    isRequired: true,
    guard: authorize(verify, rules, onReject),
    close: () => keys.close(),
  };
}

/**
 * Requires an explicit LOCKSTEP_AUTH.
 *
 * @throws {SettingsError} when it is not set and other machines can reach LOCKSTEP_HOST.
 */
export function rejectUnauthenticatedBind({
  LOCKSTEP_AUTH,
  LOCKSTEP_HOST,
}: Pick<Settings, "LOCKSTEP_AUTH" | "LOCKSTEP_HOST">): void {
  if (LOCKSTEP_AUTH === undefined && !isLoopback(LOCKSTEP_HOST))
    throw new SettingsError([
      `LOCKSTEP_HOST=${LOCKSTEP_HOST} lets other machines reach gateway and console without authorization: ` +
        "set LOCKSTEP_AUTH=jwt, or LOCKSTEP_AUTH=off if everyone who can reach them may do everything",
    ]);
}

/**
 * Middleware that rejects requests without a valid token of the required scope.
 *
 * @param verify throws {@link TokenRejectedError} for a token that is not valid.
 * @param onReject called for each rejected request.
 */
export function authorize(
  verify: (token: string) => Promise<Caller>,
  { scopeOf, basic = false }: AuthRules,
  onReject: (reason: RejectionReason) => void,
): MiddlewareHandler {
  return async (c, next) => {
    const scope = scopeOf(c.req.method);
    try {
      c.set("caller", await authenticate(c, scope));
    } catch (error) {
      if (!(error instanceof TokenRejectedError)) throw error;
      onReject(error.reason);
      throw toHttpError(error, scope, basic);
    }
    await next();
  };

  async function authenticate(c: Context, scope: Scope): Promise<Caller> {
    const token = tokenIn(c.req.header("authorization"), basic);
    if (token === undefined) throw new TokenRejectedError("missing", "This request needs a token.");
    const caller = await verify(token);
    if (!caller.scopes.includes(scope)) throw new TokenRejectedError("scope", `The token lacks the scope ${scope}.`);
    return caller;
  }
}

/** The token of an `Authorization` header; undefined when there is none, or its scheme is not accepted. */
function tokenIn(header: string | undefined, basic: boolean): string | undefined {
  const [, scheme, credentials = ""] = /^(\w+) +(\S+) *$/.exec(header ?? "") ?? [];
  if (scheme?.toLowerCase() === "bearer") return credentials;
  if (scheme?.toLowerCase() !== "basic" || !basic) return undefined;
  const [, password] = /^[^:]*:(.+)$/s.exec(Buffer.from(credentials, "base64").toString()) ?? [];
  return password;
}

const REALM = 'realm="lockstep"';

/**
 * The response to a rejected request: 503 without keys, 403 without the scope, else 401 with a challenge (RFC 6750,
 * section 3).
 */
function toHttpError({ reason, message, cause }: TokenRejectedError, scope: Scope, basic: boolean): RequestError {
  switch (reason) {
    case "keys":
      return new RequestError("UNAVAILABLE", message, { cause });
    case "scope":
      return new RequestError("FORBIDDEN", message, {
        challenges: [`Bearer ${REALM}, error="insufficient_scope", scope="${scope}"`],
      });
    default: {
      const bearer = reason === "missing" ? `Bearer ${REALM}` : `Bearer ${REALM}, error="invalid_token"`;
      return new RequestError("UNAUTHENTICATED", `${message} Send a token with the scope ${scope}.`, {
        // Basic goes first: both travel in one header line, and Chromium reads only its first scheme.
        challenges: basic ? [`Basic ${REALM}, charset="UTF-8"`, bearer] : [bearer],
      });
    }
  }
}
