/** The HTTP API of one entity, made from its declaration. */
import type { Context, Hono } from "hono";
import type { Document, EntityId, Version } from "../contracts/entity/document.ts";
import { inputSchema, patchSchema } from "../contracts/entity/schemas.ts";
import { RequestError } from "../contracts/errors.ts";
import { isId, pageOf, pageRequest } from "../contracts/pages.ts";
import { readBody } from "../platform/http/body.ts";
import type { EntityStore, WriteResult } from "./entity-store.ts";
import { withIdempotency } from "./idempotency.ts";
import { acceptedVersions, type Conditions, etagOf, isUnchanged } from "./preconditions.ts";
import { withRequestSpan, withStatementSpan } from "./spans.ts";
import { SynchronousWrite, type SynchronousWriteDeps } from "./synchronous.ts";

/** Media types of bodies. */
export const JSON_TYPES = ["application/json"];
export const PATCH_TYPES = ["application/merge-patch+json", "application/json"];

export interface RouteParts extends SynchronousWriteDeps {
  readonly maxBodyBytes: number;
}

/** Adds `GET`, `POST` on the collection and `GET`, `PUT`, `PATCH`, `DELETE` on its members. */
export function addRoutes(app: Hono, store: EntityStore, deps: RouteParts): void {
  const collection = `/${store.entity.plural}`;
  addReads(app, store, collection);
  addCreate(app, store, collection, deps);
  addChanges(app, store, collection, deps);
}

function addReads(app: Hono, store: EntityStore, collection: string): void {
  app.get(collection, async (c) => {
    const { after, limit } = pageRequest(c.req.query());
    const page = pageOf(await store.list(after, limit + 1), limit);
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

function addCreate(app: Hono, store: EntityStore, collection: string, parts: RouteParts): void {
  const body = { schema: inputSchema(store.entity), types: JSON_TYPES, maxBytes: parts.maxBodyBytes };
  app.post(collection, (c) =>
    withRequestSpan(c, collection, async (context) => {
      const document = await readBody(c.req.raw, body);
      // UUIDv7: ids made one after the other lie beside each other in the index (RFC 9562, section 5.7).
      const id = Bun.randomUUIDv7();
      const repeated = withIdempotency(c, collection, document, context);
      using write = await SynchronousWrite.begin(c, store.entity, id, parts);
      const created = await withStatementSpan(repeated, `INSERT ${store.entity.plural}`, (inner) =>
        store.insert(id, document, inner),
      );
      c.header("location", `${collection}/${created.value.id}`);
      return await answer(c, write, created, 201);
    }),
  );
}

function addChanges(app: Hono, store: EntityStore, collection: string, parts: RouteParts): void {
  const { entity } = store;
  const maxBytes = parts.maxBodyBytes;
  const member = `${collection}/:id`;
  const bodies = {
    PUT: { schema: inputSchema(entity), types: JSON_TYPES, maxBytes },
    PATCH: { schema: patchSchema(entity), types: PATCH_TYPES, maxBytes },
  };
  for (const method of ["PUT", "PATCH"] as const)
    app.on(method, member, (c) =>
      withRequestSpan(c, member, async (context) => {
        const id = idOf(c, store);
        const accepted = acceptedVersions(conditions(c));
        const change = await readBody(c.req.raw, bodies[method]);
        const repeated = withIdempotency(c, collection, [accepted, change], context);
        using write = await SynchronousWrite.begin(c, entity, id, parts);
        const changed = await withStatementSpan(repeated, `UPDATE ${entity.plural}`, (inner) =>
          store.update(id, change, accepted, inner),
        );
        return await answer(c, write, changed, 200);
      }),
    );

  app.delete(member, (c) =>
    withRequestSpan(c, member, async (context) => {
      const id = idOf(c, store);
      const accepted = acceptedVersions(conditions(c));
      const repeated = withIdempotency(c, collection, accepted, context);
      using write = await SynchronousWrite.begin(c, entity, id, parts);
      const { value: version, replayed } = await withStatementSpan(repeated, `DELETE ${entity.plural}`, (inner) =>
        store.remove(id, accepted, inner),
      );
      await respondCommitted(c, write, { id, version, replayed });
      return c.body(null, 204);
    }),
  );
}

/** An id that cannot exist is answered as one that does not. @throws {RequestError} NOT_FOUND. */
function idOf(c: Context, { entity }: EntityStore): EntityId {
  const id = (c.req.param("id") ?? "").toLowerCase();
  if (!isId(id)) throw new RequestError("NOT_FOUND", `There is no ${entity.name} ${id.slice(0, 100)}; ids are UUIDs.`);
  return id;
}

const conditions = (c: Context): Conditions => ({
  ifMatch: c.req.header("if-match"),
  ifNoneMatch: c.req.header("if-none-match"),
});

async function answer(
  c: Context,
  write: SynchronousWrite,
  written: WriteResult<Document>,
  status: 200 | 201,
): Promise<Response> {
  const { value: document, replayed } = written;
  await respondCommitted(c, write, { id: String(document.id), version: Number(document.version), replayed });
  return c.json(document, status);
}

/** The write is committed, now or by an earlier request, whose receipts nobody can wait for any more. */
async function respondCommitted(
  c: Context,
  write: SynchronousWrite,
  { id, version, replayed }: { readonly id: EntityId; readonly version: Version; readonly replayed: boolean },
): Promise<void> {
  c.header("etag", etagOf(version));
  await write.committed(id, version, replayed);
}

/** An answer may be kept, but not be used without asking whether it is still true. */
const setNoCache = (c: Context): void => c.header("cache-control", "no-cache");
