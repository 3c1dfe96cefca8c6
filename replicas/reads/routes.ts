/** The replica's HTTP API over one entity: read one, list many. Made from the declaration; writes go to the gateway. */
import type { Context, Hono } from "hono";
import type { EntityDeclaration, EntityId } from "../../contracts/entity.ts";
import { LockstepError } from "../../contracts/errors.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { problem } from "../../platform/http.ts";
import { decodeCursor, encodeCursor, parseId } from "./cursor.ts";
import { cacheStatus, type Lookup } from "./lookup.ts";
import type { Rows } from "./rows.ts";

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;
const READ_METHODS = "GET, HEAD";

export interface ReadParts {
  readonly lookup: Lookup;
  readonly rows: Rows;
  readonly metrics: Metrics;
  /** Milliseconds for `Lockstep-Lag`; undefined while it is not known. */
  readonly lagMs: () => number | undefined;
}

/** Adds `GET /<plural>` and `GET /<plural>/{id}`. */
export function addReads(app: Hono, using: ReadParts, entity: EntityDeclaration, replica: string): void {
  const { lookup, rows, metrics, lagMs } = using;
  const collection = `/${entity.plural}`;
  const one = `${collection}/:id`;

  const tellLag = (c: Context) => {
    const lag = lagMs();
    if (lag !== undefined) c.header("lockstep-lag", String(lag));
    // Anyone may keep the answer, but must ask again before using it: the ETag makes that cheap.
    c.header("cache-control", "no-cache");
  };

  app.get(one, async (c) => {
    const asked = c.req.param("id") ?? "";
    const id = parseId(asked);
    if (!id) throw notFound(entity, asked);
    // Before the read: what is answered may be newer than this says, never older.
    tellLag(c);
    const { entry, how } = await lookup.find(id);
    metrics.cacheRequests.inc({ replica, result: how.result });
    c.header("cache-status", cacheStatus(how));
    if (!entry?.body) return absent(c, entity, id);
    const etag = `"${entry.version}"`;
    c.header("etag", etag);
    if (matches(c.req.header("if-none-match"), etag)) return c.body(null, 304);
    return c.body(entry.body, 200, { "content-type": "application/json" });
  });

  app.get(collection, async (c) => {
    const limit = limitOf(c.req.query("limit"));
    const after = afterOf(c.req.query("cursor"));
    tellLag(c);
    c.header("cache-status", "lockstep-redis; fwd=bypass; detail=list");
    const found = await rows.page(after, limit + 1);
    const items = found.slice(0, limit);
    const more = found.length > limit;
    return c.json({ items, nextCursor: more ? encodeCursor(items.at(-1)!.id as EntityId) : null });
  });

  for (const path of [collection, one])
    app.all(path, (c) => {
      const detail = `${c.req.method} is not possible here: this is a replica, which only answers ${READ_METHODS}. Send writes to the gateway.`;
      const answer = problem(new LockstepError("METHOD_NOT_ALLOWED", detail), c.req.path);
      answer.headers.set("allow", READ_METHODS);
      return answer;
    });
}

const notFound = (entity: EntityDeclaration, id: string) =>
  new LockstepError("NOT_FOUND", `There is no ${entity.name} ${JSON.stringify(id.slice(0, 64))} in this replica.`);

/** A 404 that still says how the cache did and how far behind this replica is. */
function absent(c: Context, entity: EntityDeclaration, id: EntityId): Response {
  const answer = problem(notFound(entity, id), c.req.path);
  for (const name of ["cache-status", "lockstep-lag"]) {
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

/** @throws {LockstepError} MALFORMED */
function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw malformed("limit", `must be a whole number from 1 to ${MAX_LIMIT}`);
}

/** @throws {LockstepError} MALFORMED */
function afterOf(cursor: string | undefined): EntityId | undefined {
  if (cursor === undefined) return undefined;
  const after = decodeCursor(cursor);
  if (!after) throw malformed("cursor", "must be a nextCursor that an earlier answer gave");
  return after;
}

const malformed = (name: string, detail: string) =>
  new LockstepError("MALFORMED", `The query parameter ${name} ${detail}.`, { violations: [{ pointer: name, detail }] });
