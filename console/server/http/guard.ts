/**
 * Who may ask, and who may change something. Pure but for the answer.
 *
 * - Every request of the page names a host that is ours: an address, localhost, or a name that is set. A site that points its own
 *   name at this address (DNS rebinding) is refused.
 * - A change must be allowed here at all, and must not come from another site: browsers say so in `Sec-Fetch-Site` and `Origin`. What it
 *   sends is JSON and says so, which a form of another site cannot (a browser asks first, and nobody answers that).
 */
import type { MiddlewareHandler } from "hono";
import { RequestError } from "../../../contracts/errors.ts";

/** @param names hosts beside addresses and localhost, lower case. */
export const ownHostOnly =
  (names: readonly string[]): MiddlewareHandler =>
  async (c, next) => {
    if (!isOwnHost(c.req.header("host"), names))
      throw new RequestError(
        "FORBIDDEN",
        "This name is not known here: set LOCKSTEP_CONSOLE_HOSTS to reach the console by it.",
      );
    await next();
  };

/** @param host as the header says it. */
export function isOwnHost(host: string | undefined, names: readonly string[]): boolean {
  const name = hostnameOf(host)?.toLowerCase();
  if (name === undefined) return false;
  const isAddress = /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
  return isAddress || name === "localhost" || name.endsWith(".localhost") || names.includes(name);
}

function hostnameOf(host: string | undefined): string | undefined {
  const [, name] = /^(\[[^\]]*\]|[^:]*)(:\d{1,5})?$/.exec(host ?? "") ?? [];
  return name || undefined;
}

/** For whatever changes something. @param allowed whether that is possible here. */
export const changesOnly =
  (allowed: boolean): MiddlewareHandler =>
  async (c, next) => {
    if (!allowed)
      throw new RequestError(
        "FORBIDDEN",
        "Operations are switched off here: LOCKSTEP_CONSOLE_OPERATIONS=true allows them.",
      );
    const site = c.req.header("sec-fetch-site");
    if (!isSameSite({ site, origin: c.req.header("origin"), host: c.req.header("host") }))
      throw new RequestError("FORBIDDEN", "This comes from another site.");
    await next();
  };

/** What no browser sent has neither header, and is nobody's forgery. */
export function isSameSite(said: {
  readonly site: string | undefined;
  readonly origin: string | undefined;
  readonly host: string | undefined;
}): boolean {
  const { site, origin, host } = said;
  if (site !== undefined && site !== "same-origin") return false;
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
}
