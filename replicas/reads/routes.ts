/** The replica's HTTP API over one entity: read one, list many. Made from the declaration; writes go to the gateway. */
import type { Context, Hono } from "hono";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { RequestError } from "../../contracts/errors.ts";
import { isId, parsePageRequest, toPage } from "../../contracts/pages.ts";
import { parsePreferWait } from "../../contracts/prefer.ts";
import { decodeSyncTokens, type TokenEntry } from "../../contracts/sync-token.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { problem } from "../../platform/http/problem.ts";
import type { Freshness } from "./freshness.ts";
import { cacheStatus, type Lookup, type LookupResult } from "./lookup.ts";
import type { Rows } from "./rows.ts";

const READ_METHODS = "GET, HEAD";

export interface ReadParts {
  readonly lookup: Lookup;
  readonly rows: Rows;
  readonly freshness: Pick<Freshness, "reached">;
  /** Longest wait of a read with a `Sync-Token` that does not say itself, and of one that does, in milliseconds. */
  readonly waitMs: number;
  readonly maxWaitMs: number;
  readonly metrics: Metrics;
  /** Milliseconds for `Lockstep-Lag`; undefined while it is not known. */
  readonly lagMs: () => number | undefined;
}

/** Adds `GET /<plural>` and `GET /<plural>/{id}`. */
export function addReads(app: Hono, deps: ReadParts, entity: EntityDeclaration, replica: string): void {
  const { lookup, rows, freshness, waitMs, maxWaitMs, metrics, lagMs } = deps;
  const collection = `/${entity.plural}`;
  const one = `${collection}/:id`;

  const tellLag = (c: Context) => {
    const lag = lagMs();
    if (lag !== undefined) c.header("lockstep-lag", String(lag));
    // Anyone may keep the answer, but must ask again before using it: the ETag makes that cheap.
    c.header("cache-control", "no-cache");
  };

  const wantedBy = (c: Context) =>
    decodeSyncTokens(c.req.header("sync-token")).filter(({ plural }) => plural === entity.plural);

  /** Resolves once the database is as fresh as the reader asks. @returns the refusal when it is not in time. */
  const waitFor = async (c: Context, wanted: readonly TokenEntry[]): Promise<Response | undefined> => {
    const prefer = parsePreferWait(c.req.header("prefer"), maxWaitMs);
    if (prefer) c.header("preference-applied", prefer.applied);
    const timeoutMs = prefer?.ms ?? waitMs;
    if (await freshness.reached(wanted, timeoutMs)) return undefined;
    metrics.freshReads.inc({ replica, outcome: "behind" });
    const [first] = wanted;
    const what =
      wanted.length === 1 ? `version ${first!.version} of ${entity.name} ${first!.id}` : "all that was asked for";
    const detail = `This replica does not have ${what} yet, after ${timeoutMs} ms. Ask again, or wait longer with Prefer: wait=N.`;
    return refusal(c, new RequestError("BEHIND", detail));
  };

  /** What is there for an id, at least as fresh as the reader asks. */
  const find = async (c: Context, id: EntityId): Promise<LookupResult | Response> => {
    const wanted = wantedBy(c).find((seen) => seen.id === id);
    const found = await lookup.find(id);
    if (!wanted) return found;
    if ((found.entry?.version ?? 0) >= wanted.version) {
      metrics.freshReads.inc({ replica, outcome: "fresh" });
      return found;
    }
    const refused = await waitFor(c, [wanted]);
    if (refused) return refused;
    metrics.freshReads.inc({ replica, outcome: "waited" });
    // Begun after that version was committed here, so not older (P7).
    return lookup.find(id);
  };

  app.get(one, async (c) => {
    // RFC 9562 asks to accept upper case too.
    const id = (c.req.param("id") ?? "").toLowerCase();
    if (!isId(id)) throw notFound(entity, id);
    // Before the read: what is answered may be newer than this says, never older.
    tellLag(c);
    const found = await find(c, id);
    if (found instanceof Response) return found;
    const { entry, how } = found;
    metrics.cacheRequests.inc({ replica, result: how.result });
    c.header("cache-status", cacheStatus(how));
    if (!entry?.body) return refusal(c, notFound(entity, id));
    const etag = `"${entry.version}"`;
    c.header("etag", etag);
    if (matches(c.req.header("if-none-match"), etag)) return c.body(null, 304);
    return c.body(entry.body, 200, { "content-type": "application/json" });
  });

  app.get(collection, async (c) => {
    const { after, limit } = parsePageRequest(c.req.query());
    tellLag(c);
    const wanted = wantedBy(c);
    if (wanted.length > 0) {
      const refused = await waitFor(c, wanted);
      if (refused) return refused;
      metrics.freshReads.inc({ replica, outcome: "fresh" });
    }
    c.header("cache-status", "lockstep-redis; fwd=bypass; detail=list");
    const page = toPage(await rows.page(after, limit + 1), limit);
    if (page.nextCursor) c.header("link", `<${collection}?limit=${limit}&cursor=${page.nextCursor}>; rel="next"`);
    return c.json(page);
  });

  for (const path of [collection, one])
    app.all(path, (c) => {
      const detail = `${c.req.method} is not possible here: this is a replica, which only answers ${READ_METHODS}. Send writes to the gateway.`;
      const answer = problem(new RequestError("METHOD_NOT_ALLOWED", detail), c.req.path);
      answer.headers.set("allow", READ_METHODS);
      return answer;
    });
}

const notFound = (entity: EntityDeclaration, id: string) =>
  new RequestError("NOT_FOUND", `There is no ${entity.name} ${JSON.stringify(id.slice(0, 64))} in this replica.`);

/** A problem that still says how the cache did and how far behind this replica is. */
function refusal(c: Context, error: RequestError): Response {
  const answer = problem(error, c.req.path);
  for (const name of ["cache-status", "lockstep-lag", "preference-applied"]) {
    const value = c.res.headers.get(name);
    if (value !== null) answer.headers.set(name, value);
  }
  return answer;
}

/** `If-None-Match` (RFC 9110, section 13.1.2): weak comparison with a list of tags, or `*`. */
const matches = (header: string | undefined, etag: string): boolean =>
  (header ?? "")
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""))
    .some((tag) => tag === etag || tag === "*");
