/** Middleware against requests of other sites (P13). Section *Access* of the room's README has the rules. */
import type { MiddlewareHandler } from "hono";
import { RequestError } from "../../../contracts/errors.ts";

/**
 * Middleware that rejects requests for an unknown host name. They come from a site whose own name resolves to this
 * address (DNS rebinding).
 *
 * @param names known host names besides addresses and localhost, in lower case.
 */
export const requireKnownHost =
  (names: readonly string[]): MiddlewareHandler =>
  async (c, next) => {
    if (!isKnownHost(c.req.header("host"), names))
      throw new RequestError(
        "FORBIDDEN",
        "The console does not know this host name; add it to LOCKSTEP_CONSOLE_HOSTS, or use an address or localhost.",
      );
    await next();
  };

/**
 * True for an IP address, localhost and its subdomains, and the given names.
 *
 * @param host the `Host` header, with or without a port.
 */
export function isKnownHost(host: string | undefined, names: readonly string[]): boolean {
  const name = hostnameOf(host)?.toLowerCase();
  if (name === undefined) return false;
  const isAddress = /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
  return isAddress || name === "localhost" || name.endsWith(".localhost") || names.includes(name);
}

function hostnameOf(host: string | undefined): string | undefined {
  const [, name] = /^(\[[^\]]*\]|[^:]*)(:\d{1,5})?$/.exec(host ?? "") ?? [];
  return name || undefined;
}

/**
 * Middleware for requests that change something. It rejects them when operations are switched off, or when they come
 * from another origin.
 *
 * @param allowed the value of `LOCKSTEP_CONSOLE_OPERATIONS`.
 */
export const guardChanges =
  (allowed: boolean): MiddlewareHandler =>
  async (c, next) => {
    if (!allowed)
      throw new RequestError(
        "FORBIDDEN",
        "Operations are switched off; set LOCKSTEP_CONSOLE_OPERATIONS=true to allow them.",
      );
    const site = c.req.header("sec-fetch-site");
    if (!isSameOrigin({ site, origin: c.req.header("origin"), host: c.req.header("host") }))
      throw new RequestError("FORBIDDEN", "The request comes from another site; send it from the console's own page.");
    await next();
  };

/** True when the headers name no other origin. Only browsers send `Sec-Fetch-Site` and `Origin`. */
export function isSameOrigin(headers: {
  readonly site: string | undefined;
  readonly origin: string | undefined;
  readonly host: string | undefined;
}): boolean {
  const { site, origin, host } = headers;
  if (site !== undefined && site !== "same-origin") return false;
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
}
