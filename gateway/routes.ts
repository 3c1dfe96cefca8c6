/** The HTTP API of one entity, derived from its declaration. */
import type { Context, Hono } from "hono";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../contracts/entity/document.ts";
import { pathSegment, readKey } from "../contracts/entity/key.ts";
import { parseDocument } from "../contracts/entity/parse.ts";
import { quickInput, quickPatch, quickReplace } from "../contracts/entity/quick-input.ts";
import { inputSchema, patchSchema, readOnlyMembers, replaceSchema } from "../contracts/entity/schemas.ts";
import { RequestError } from "../contracts/errors.ts";
import { parsePageRequest, toPage } from "../contracts/pages.ts";
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
    const { after, limit } = parsePageRequest(c.req.query(), store.entity);
    const { items, nextCursor } = toPage(await store.list(after, limit + 1), limit, ({ id }) => id);
    setNoCache(c);
    if (nextCursor) c.header("link", `<${collection}?limit=${limit}&cursor=${nextCursor}>; rel="next"`);
    return c.json({ items: items.map(({ item }) => item), nextCursor });
  });

  app.get(`${collection}/:id`, async (c) => {
    const { item: document, version } = await store.read(idOf(c, store));
    setNoCache(c);
    c.header("etag", etagOf(version));
    return isUnchanged(c.req.header("if-none-match"), version) ? c.body(null, 304) : c.json(document);
  });
}

function addCreate(app: Hono, store: EntityStore, collection: string, deps: RouteDeps): void {
  const { entity } = store;
  const body = {
    ...{ schema: inputSchema(entity), quickInput: quickInput(entity), types: JSON_TYPES },
    ...bodyOptions(entity, deps),
  };
  app.post(collection, (c) =>
    withAdmission(c, collection, deps, store.inserts, async (context, admitted) => {
      const given = await readBody(c.req.raw, body, admitted.reserve);
      checkLists(entity, given);
      const writeContext = withIdempotency(c, collection, given, context);
      const { id, document } = await store.identify(given);
      using write = SynchronousWrite.prepare(c, entity, id, deps);
      const created = await withStatementSpan(writeContext, `INSERT ${entity.plural}`, (inner) =>
        store.insert(id, document, inner),
      );
      admitted.release();
      write.headers.location = `${collection}/${pathSegment(created.id)}`;
      return await respond(write, created, 201);
    }),
  );
}

function addChanges(app: Hono, store: EntityStore, collection: string, deps: RouteDeps): void {
  const { entity } = store;
  const member = `${collection}/:id`;
  const options = bodyOptions(entity, deps);
  const bodies = {
    PUT: { schema: replaceSchema(entity), quickInput: quickReplace(entity), types: JSON_TYPES, ...options },
    PATCH: { schema: patchSchema(entity), quickInput: quickPatch(entity), types: PATCH_TYPES, ...options },
  };
  for (const method of ["PUT", "PATCH"] as const)
    app.on(method, member, (c) =>
      withAdmission(c, member, deps, store.updates, async (context, admitted) => {
        const id = idOf(c, store);
        const accepted = acceptedVersions(conditions(c));
        const change = await readBody(c.req.raw, bodies[method], admitted.reserve);
        checkLists(entity, change);
        const writeContext = withIdempotency(c, collection, [accepted, change], context);
        using write = SynchronousWrite.prepare(c, entity, id, deps);
        const changed = await withStatementSpan(writeContext, `UPDATE ${entity.plural}`, (inner) =>
          store.update(id, change, accepted, inner, method === "PUT"),
        );
        admitted.release();
        return await respond(write, changed, 200);
      }),
    );

  app.delete(member, (c) =>
    withAdmission(c, member, deps, store.deletes, async (context, admitted) => {
      const id = idOf(c, store);
      const accepted = acceptedVersions(conditions(c));
      const writeContext = withIdempotency(c, collection, accepted, context);
      using write = SynchronousWrite.prepare(c, entity, id, deps);
      const removed = await withStatementSpan(writeContext, `DELETE ${entity.plural}`, (inner) =>
        store.remove(id, accepted, inner),
      );
      admitted.release();
      return await respond(write, removed, 204);
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

/** What the bodies of an entity's writes have in common. */
const bodyOptions = (entity: EntityDeclaration, { maxBodyBytes }: RouteDeps) => ({
  maxBytes: maxBodyBytes,
  readOnly: readOnlyMembers(entity),
  parse: (text: string) => parseDocument(entity, text),
});

/** @throws {RequestError} INVALID for two children of one list with the same key. */
function checkLists({ children }: EntityDeclaration, document: Document): void {
  for (const [member, { key }] of Object.entries(children)) {
    const seen = new Set<string>();
    const lines = (document[member] ?? []) as readonly Document[];
    const violations = lines.flatMap((line, i) => {
      const values = JSON.stringify(key.map((name) => line[name]));
      if (!key.every((name) => line[name] !== undefined) || !seen.has(values)) return seen.add(values) && [];
      return [{ pointer: `/${member}/${i}/${key[0]}`, detail: `is the ${key.join(" and ")} of an earlier item too` }];
    });
    if (violations.length > 0)
      throw new RequestError("INVALID", "The body does not fit the schema; see errors.", { violations });
  }
}

/** @throws {RequestError} NOT_FOUND for an id that no entity can have. */
function idOf(c: Context, { entity }: EntityStore): EntityId {
  const text = c.req.param("id") ?? "";
  const id = readKey(entity, text);
  if (id === undefined)
    throw new RequestError(
      "NOT_FOUND",
      `There is no ${entity.name} ${text.toLowerCase().slice(0, 100)}. ${formOfId(entity)}`,
    );
  return id;
}

/** What an id looks like. */
function formOfId({ key, fields }: EntityDeclaration): string {
  const [first, ...others] = key.map((member) => fields[member]!);
  if (others.length > 0) return `An id is ${key.join(",")}.`;
  return first!.kind === "uuid" ? "An id is a UUID." : `An id is a value of ${key[0]}.`;
}

const conditions = (c: Context): Conditions => ({
  ifMatch: c.req.header("if-match"),
  ifNoneMatch: c.req.header("if-none-match"),
});

/** The response to a committed write. Its headers are a plain object: building `Headers` takes longer than the rest. */
async function respond(
  write: SynchronousWrite,
  { id, version, replayed, value }: WriteResult<Document | undefined>,
  status: 200 | 201 | 204,
): Promise<Response> {
  const { headers } = write;
  headers.etag = etagOf(version);
  const waiting = write.afterCommit(id, version, replayed);
  if (waiting) await waiting;
  if (value === undefined) return new Response(null, { status, headers });
  headers["content-type"] = "application/json";
  return new Response(JSON.stringify(value), { status, headers });
}

/** Caches may store the response, but must revalidate it before each use (RFC 9111, section 5.2.2.4). */
const setNoCache = (c: Context): void => c.header("cache-control", "no-cache");
