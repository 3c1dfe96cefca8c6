/** HTTP reads of one entity, made from its declaration: one by id, or a page. Writes go to the gateway. */
import type { Context, Hono } from "hono";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { readKey } from "../../contracts/entity/key.ts";
import { RequestError } from "../../contracts/errors.ts";
import { parsePageRequest, toPage } from "../../contracts/pages.ts";
import { problem } from "../../platform/http/problem.ts";
import { type FreshReadDeps, FreshReads } from "./fresh-reads.ts";
import { cacheStatus } from "./lookup.ts";
import type { Rows } from "./rows.ts";

const READ_METHODS = "GET, HEAD";
/** Characters of an invalid id to repeat in a message. */
const MAX_ID_TEXT = 64;

/** Collaborators and settings of {@link addReads}. */
export interface ReadDeps extends FreshReadDeps {
  readonly rows: Rows;
  /** Milliseconds for `Lockstep-Lag`; undefined while it is unknown. */
  readonly lagMs: () => number | undefined;
}

/** Adds `GET /<plural>` and `GET /<plural>/{id}`; other methods are answered 405. */
export function addReads(app: Hono, deps: ReadDeps, entity: EntityDeclaration, replica: string): void {
  const collection = `/${entity.plural}`;
  const one = `${collection}/:id`;
  const fresh = new FreshReads(deps, entity, replica);
  app.get(one, (c) => readOne(c, deps, fresh, entity, replica));
  app.get(collection, (c) => readPage(c, deps, fresh, entity));
  for (const path of [collection, one]) app.all(path, rejectWrite);
}

async function readOne(
  c: Context,
  { metrics, lagMs }: ReadDeps,
  fresh: FreshReads,
  entity: EntityDeclaration,
  replica: string,
): Promise<Response> {
  const text = c.req.param("id") ?? "";
  const id = readKey(entity, text);
  if (id === undefined) throw notFound(entity, text);
  // Before the read: the answer may be newer than the lag says, never older.
  setFreshnessHeaders(c, lagMs());
  const found = await fresh.find(c, id);
  if (found instanceof RequestError) return problemResponse(c, found);
  const { entry, outcome } = found;
  metrics.cacheRequests.inc({ replica, result: outcome.result });
  c.header("cache-status", cacheStatus(outcome));
  if (!entry?.body) return problemResponse(c, notFound(entity, id));
  const etag = `"${entry.version}"`;
  c.header("etag", etag);
  if (matches(c.req.header("if-none-match"), etag)) return c.body(null, 304);
  return c.body(entry.body, 200, { "content-type": "application/json" });
}

async function readPage(
  c: Context,
  { rows, lagMs }: ReadDeps,
  fresh: FreshReads,
  entity: EntityDeclaration,
): Promise<Response> {
  const { after, limit } = parsePageRequest(c.req.query(), entity);
  setFreshnessHeaders(c, lagMs());
  const behind = await fresh.waitForAll(c);
  if (behind) return problemResponse(c, behind);
  c.header("cache-status", "lockstep-redis; fwd=bypass; detail=list");
  const { items, nextCursor } = toPage(await rows.page(after, limit + 1), limit, ({ id }) => id);
  if (nextCursor) c.header("link", `</${entity.plural}?limit=${limit}&cursor=${nextCursor}>; rel="next"`);
  return c.json({ items: items.map(({ document }) => document), nextCursor });
}

function rejectWrite(c: Context): Response {
  const detail = `${c.req.method} is not possible here: a replica only answers ${READ_METHODS}. Send writes to the gateway.`;
  const response = problem(new RequestError("METHOD_NOT_ALLOWED", detail), c.req.path);
  response.headers.set("allow", READ_METHODS);
  return response;
}

function setFreshnessHeaders(c: Context, lagMs: number | undefined): void {
  if (lagMs !== undefined) c.header("lockstep-lag", String(lagMs));
  // Any cache may keep the answer, but has to revalidate it before each use; the ETag makes that cheap.
  c.header("cache-control", "no-cache");
}

const notFound = (entity: EntityDeclaration, id: EntityId): RequestError =>
  new RequestError(
    "NOT_FOUND",
    `There is no ${entity.name} ${JSON.stringify(id.slice(0, MAX_ID_TEXT))} in this replica.`,
  );

/** A problem response that keeps the headers about the cache and the lag. */
function problemResponse(c: Context, error: RequestError): Response {
  const response = problem(error, c.req.path);
  for (const name of ["cache-status", "lockstep-lag", "preference-applied"]) {
    const value = c.res.headers.get(name);
    if (value !== null) response.headers.set(name, value);
  }
  return response;
}

/** `If-None-Match` (RFC 9110, section 13.1.2): weak comparison with a list of tags, or `*`. */
const matches = (header: string | undefined, etag: string): boolean =>
  (header ?? "")
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""))
    .some((tag) => tag === etag || tag === "*");
