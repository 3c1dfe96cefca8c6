/** Who may do what over HTTP: bearer tokens (RFC 6750) with scopes, or nobody is asked (`LOCKSTEP_AUTH=off`). */
import type { Context, MiddlewareHandler } from "hono";
import { RequestError } from "../../contracts/errors.ts";
import type { Scope } from "../../contracts/scopes.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { isLoopback } from "../http/loopback.ts";
import type { Check } from "../service.ts";
import { type Settings, SettingsError } from "../settings/settings.ts";
import { IssuerKeys } from "./keys.ts";
import { memoizeToken } from "./remember.ts";
import { type Caller, type Reason, TokenRejectedError, verifyToken } from "./verify.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** Who asks; undefined where nobody is asked. */
    caller?: Caller;
  }
}

/** How a service asks who comes. */
export interface Auth {
  /** To be part of the service's readiness. */
  readonly checks: readonly Check[];
  /** Lets through who may. What is routed before it is open to everybody, what is routed after it to nobody without a token. */
  readonly guard: MiddlewareHandler;
  close(): void;
}

/** What differs from service to service. */
export interface Rules {
  /** What a request with this method needs. */
  readonly scopeOf: (method: string) => Scope;
  /** Whether a token may also come as the password of HTTP Basic, whatever the user's name: a browser can send no other. */
  readonly basic?: boolean;
}

interface AuthParts {
  readonly settings: Settings;
  readonly metrics: Pick<Metrics, "authRefusals">;
  readonly logger: Logger;
}

/** @throws {SettingsError} when the service would be open to the network, and nobody has said that it shall be. */
export function authOf({ settings, metrics, logger }: AuthParts, rules: Rules): Auth {
  rejectUnauthenticatedBind(settings);
  const { LOCKSTEP_AUTH, LOCKSTEP_AUTH_ISSUER: issuer, LOCKSTEP_AUTH_JWKS: keysUrl } = settings;
  if (LOCKSTEP_AUTH !== "jwt") return { checks: [], guard: (_, next) => next(), close: () => {} };
  // readSettings lets none through without them; whoever comes another way must not find the door open.
  if (!issuer || !keysUrl) throw new SettingsError(["LOCKSTEP_AUTH=jwt needs an issuer and its keys"]);
  const keys = new IssuerKeys(keysUrl, logger);
  const expected = { issuer, audience: settings.LOCKSTEP_AUTH_AUDIENCE };
  const judge = memoizeToken((token) => verifyToken(token, keys, expected));
  const refusal = (reason: Reason) => metrics.authRefusals.inc({ reason });
  return { checks: [keys.check], guard: authorize(judge, rules, refusal), close: () => keys.close() };
}

/** @throws {SettingsError} when the address is no loopback's and nothing says who may come. */
export function rejectUnauthenticatedBind({
  LOCKSTEP_AUTH,
  LOCKSTEP_HOST,
}: Pick<Settings, "LOCKSTEP_AUTH" | "LOCKSTEP_HOST">): void {
  if (LOCKSTEP_AUTH === undefined && !isLoopback(LOCKSTEP_HOST))
    throw new SettingsError([
      `LOCKSTEP_HOST=${LOCKSTEP_HOST} opens gateway and console to the network: set LOCKSTEP_AUTH=jwt, or LOCKSTEP_AUTH=off where everybody who can reach them may do everything`,
    ]);
}

/** @param refusal told each time that somebody is not let in. */
export function authorize(
  judge: (token: string) => Promise<Caller>,
  { scopeOf, basic = false }: Rules,
  refusal: (reason: Reason) => void,
): MiddlewareHandler {
  return async (c, next) => {
    const scope = scopeOf(c.req.method);
    try {
      c.set("caller", await admit(c, scope));
    } catch (error) {
      if (!(error instanceof TokenRejectedError)) throw error;
      refusal(error.reason);
      throw answerTo(error, scope, basic);
    }
    await next();
  };

  async function admit(c: Context, scope: Scope): Promise<Caller> {
    const token = tokenIn(c.req.header("authorization"), basic);
    if (token === undefined) throw new TokenRejectedError("missing", "Nobody may do this without a token.");
    const caller = await judge(token);
    if (!caller.scopes.includes(scope)) throw new TokenRejectedError("scope", `The token has not the scope ${scope}.`);
    return caller;
  }
}

/** Undefined when there is none, or one of a scheme that is not taken here. */
function tokenIn(header: string | undefined, basic: boolean): string | undefined {
  const [, scheme, credentials = ""] = /^(\w+) +(\S+) *$/.exec(header ?? "") ?? [];
  if (scheme?.toLowerCase() === "bearer") return credentials;
  if (scheme?.toLowerCase() !== "basic" || !basic) return undefined;
  const [, password] = /^[^:]*:(.+)$/s.exec(Buffer.from(credentials, "base64").toString()) ?? [];
  return password;
}

const REALM = 'realm="lockstep"';

function answerTo({ reason, message, cause }: TokenRejectedError, scope: Scope, basic: boolean): RequestError {
  switch (reason) {
    case "keys":
      return new RequestError("UNAVAILABLE", message, { cause });
    case "scope":
      return new RequestError("FORBIDDEN", message, {
        challenges: [`Bearer ${REALM}, error="insufficient_scope", scope="${scope}"`],
      });
    default: {
      const bearer = reason === "missing" ? `Bearer ${REALM}` : `Bearer ${REALM}, error="invalid_token"`;
      return new RequestError("UNAUTHENTICATED", `${message} Send one that has the scope ${scope}.`, {
        // Basic first: both are sent in one line, of which Chromium reads the first scheme only.
        challenges: basic ? [`Basic ${REALM}, charset="UTF-8"`, bearer] : [bearer],
      });
    }
  }
}
