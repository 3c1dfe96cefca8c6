/** The HTTP API of one entity, derived from its declaration. */
import type { Context, Hono } from "hono";
import type { Document, EntityId, Version } from "../contracts/entity/document.ts";
import { parseDocument } from "../contracts/entity/parse.ts";
import { inputSchema, patchSchema, readOnlyMembers } from "../contracts/entity/schemas.ts";
import { RequestError } from "../contracts/errors.ts";
import { isId, parsePageRequest, toPage } from "../contracts/pages.ts";
import { readBody } from "../platform/http/body.ts";
import type { Admission, AdmittedWrite } from "./admission.ts";
import type { EntityStore, WriteResult } from "./entity-store.ts";
import { withIdempotency } from "./idempotency.ts";
import { acceptedVersions, type Conditions, etagOf, isUnchanged } from "./preconditions.ts";
import { withRequestSpan, withStatementSpan } from "./spans.ts";
import { SynchronousWrite, type SynchronousWriteDeps } from "./synchronous-write.ts";
import type { WriteBatcher } from "./write-batcher.ts";
import type { WriteContext } from "./write-context.ts";

/** Media types that POST and PUT accept. */
export const JSON_TYPES = ["application/json"];
/** Media types that PATCH accepts. Both are read as a merge patch (RFC 7396). */
export const PATCH_TYPES = ["application/merge-patch+json", "application/json"];

/** Collaborators and limits of the routes. */
export interface RouteDeps extends SynchronousWriteDeps {
  readonly admission: Admission;
  /** Largest request body, in bytes. */
  readonly maxBodyBytes: number;
}

/** Registers `GET` and `POST` for the collection, and `GET`, `PUT`, `PATCH` and `DELETE` for its members. */
export function addRoutes(app: Hono, store: EntityStore, deps: RouteDeps): void {
  const collection = `/${store.entity.plural}`;
  addReads(app, store, collection);
  addCreate(app, store, collection, deps);
  addChanges(app, store, collection, deps);
}

function addReads(app: Hono, store: EntityStore, collection: string): void {
  app.get(collection, async (c) => {
    const { after, limit } = parsePageRequest(c.req.query());
    const page = toPage(await store.list(after, limit + 1), limit);
    setNoCache(c);
    if (page.nextCursor) c.header("link", `<${collection}?limit=${limit}&cursor=${page.nextCursor}>; rel="next"`);
    return c.json(page);
  });

  app.get(`${collection}/:id`, async (c) => {
    const document = await store.read(idOf(c, store));
    const version = Number(document.version);
    setNoCache(c);
    c.header("etag", etagOf(version));
    return isUnchanged(c.req.header("if-none-match"), version) ? c.body(null, 304) : c.json(document);
  });
}

function addCreate(app: Hono, store: EntityStore, collection: string, deps: RouteDeps): void {
  const body = {
    schema: inputSchema(store.entity),
    types: JSON_TYPES,
    maxBytes: deps.maxBodyBytes,
    readOnly: readOnlyMembers(store.entity),
    parse: (text: string) => parseDocument(store.entity, text),
  };
  app.post(collection, (c) =>
    withAdmission(c, collection, deps, store.inserts, async (context, admitted) => {
      const document = await readBody(c.req.raw, body, admitted.reserve);
      // UUIDv7: consecutive ids are neighbours in the index (RFC 9562, section 5.7).
      const id = Bun.randomUUIDv7();
      const writeContext = withIdempotency(c, collection, document, context);
      using write = SynchronousWrite.prepare(c, store.entity, id, deps);
      const created = await withStatementSpan(writeContext, `INSERT ${store.entity.plural}`, (inner) =>
        store.insert(id, document, inner),
      );
      admitted.release();
      c.header("location", `${collection}/${created.value.id}`);
      return await respond(c, write, created, 201);
    }),
  );
}

function addChanges(app: Hono, store: EntityStore, collection: string, deps: RouteDeps): void {
  const { entity } = store;
  const maxBytes = deps.maxBodyBytes;
  const member = `${collection}/:id`;
  const others = { maxBytes, readOnly: readOnlyMembers(entity), parse: (text: string) => parseDocument(entity, text) };
  const bodies = {
    PUT: { schema: inputSchema(entity), types: JSON_TYPES, ...others },
    PATCH: { schema: patchSchema(entity), types: PATCH_TYPES, ...others },
  };
  for (const method of ["PUT", "PATCH"] as const)
    app.on(method, member, (c) =>
      withAdmission(c, member, deps, store.updates, async (context, admitted) => {
        const id = idOf(c, store);
        const accepted = acceptedVersions(conditions(c));
        const change = await readBody(c.req.raw, bodies[method], admitted.reserve);
        const writeContext = withIdempotency(c, collection, [accepted, change], context);
        using write = SynchronousWrite.prepare(c, entity, id, deps);
        const changed = await withStatementSpan(writeContext, `UPDATE ${entity.plural}`, (inner) =>
          store.update(id, change, accepted, inner),
        );
        admitted.release();
        return await respond(c, write, changed, 200);
      }),
    );

  app.delete(member, (c) =>
    withAdmission(c, member, deps, store.deletes, async (context, admitted) => {
      const id = idOf(c, store);
      const accepted = acceptedVersions(conditions(c));
      const writeContext = withIdempotency(c, collection, accepted, context);
      using write = SynchronousWrite.prepare(c, entity, id, deps);
      const { value: version, replayed } = await withStatementSpan(writeContext, `DELETE ${entity.plural}`, (inner) =>
        store.remove(id, accepted, inner),
      );
      admitted.release();
      await respondCommitted(c, write, { id, version, replayed });
      return c.body(null, 204);
    }),
  );
}

/** Runs an admitted write inside its span. @throws {RequestError} UNAVAILABLE when it is not admitted. */
async function withAdmission(
  c: Context,
  route: string,
  { admission }: RouteDeps,
  batcher: WriteBatcher,
  work: (context: WriteContext, admitted: AdmittedWrite) => Promise<Response>,
): Promise<Response> {
  const admitted = admission.admit(batcher.shedder);
  try {
    return await withRequestSpan(c, route, (context) => work(context, admitted));
  } finally {
    admitted.release();
  }
}

/** @throws {RequestError} NOT_FOUND for an id that is no UUID: no entity can have it. */
function idOf(c: Context, { entity }: EntityStore): EntityId {
  const id = (c.req.param("id") ?? "").toLowerCase();
  if (!isId(id))
    throw new RequestError("NOT_FOUND", `There is no ${entity.name} ${id.slice(0, 100)}. An id is a UUID.`);
  return id;
}

const conditions = (c: Context): Conditions => ({
  ifMatch: c.req.header("if-match"),
  ifNoneMatch: c.req.header("if-none-match"),
});

async function respond(
  c: Context,
  write: SynchronousWrite,
  { value: document, replayed }: WriteResult<Document>,
  status: 200 | 201,
): Promise<Response> {
  await respondCommitted(c, write, { id: String(document.id), version: Number(document.version), replayed });
  return c.json(document, status);
}

/** Sets the headers of a committed write. */
async function respondCommitted(
  c: Context,
  write: SynchronousWrite,
  { id, version, replayed }: { readonly id: EntityId; readonly version: Version; readonly replayed: boolean },
): Promise<void> {
  c.header("etag", etagOf(version));
  await write.afterCommit(id, version, replayed);
}

/** Caches may store the response, but must revalidate it before each use (RFC 9111, section 5.2.2.4). */
const setNoCache = (c: Context): void => c.header("cache-control", "no-cache");
