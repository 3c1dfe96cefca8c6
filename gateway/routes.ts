/** The HTTP API of one entity, made from its declaration. */
import type { Context, Hono } from "hono";
import { type Document, inputSchema, patchSchema, type Version } from "../contracts/entity.ts";
import { LockstepError, policy } from "../contracts/errors.ts";
import { encodeSyncToken } from "../contracts/sync-token.ts";
import { type ActiveSpan, newTraceparent, SpanKind, startSpan, validTraceparent } from "../observability/trace.ts";
import { isId, pageOf, pageRequest } from "../platform/pages.ts";
import { readBody } from "./body.ts";
import { acceptedVersions, etagOf, isUnchanged } from "./preconditions.ts";
import type { EntityStore, WriteContext } from "./write.ts";

const JSON_TYPES = ["application/json"];
const PATCH_TYPES = ["application/merge-patch+json", "application/json"];

/** Adds `GET`, `POST` on the collection and `GET`, `PUT`, `PATCH`, `DELETE` on its members. */
export function addRoutes(app: Hono, store: EntityStore, maxBodyBytes: number): void {
  const { entity } = store;
  const collection = `/${entity.plural}`;
  const member = `${collection}/:id`;
  const whole = inputSchema(entity);
  const part = patchSchema(entity);
  const answer = (c: Context, document: Document, status: 200 | 201) => {
    tell(c, entity.plural, String(document.id), Number(document.version));
    return c.json(document, status);
  };

  app.get(collection, async (c) => {
    const { after, limit } = pageRequest(c.req.query());
    const page = pageOf(await store.list(after, limit + 1), limit);
    if (page.nextCursor) c.header("link", `<${collection}?limit=${limit}&cursor=${page.nextCursor}>; rel="next"`);
    return c.json(page);
  });

  app.get(member, async (c) => {
    const document = await store.read(idOf(c, entity.name));
    const version = Number(document.version);
    c.header("etag", etagOf(version));
    return isUnchanged(c.req.header("if-none-match"), version) ? c.body(null, 304) : c.json(document);
  });

  app.post(collection, (c) =>
    traced(c, `POST ${collection}`, async (context) => {
      const document = await readBody(c, whole, JSON_TYPES, maxBodyBytes);
      // UUIDv7: ids made one after the other lie beside each other in the index (RFC 9562, section 5.7).
      const created = await writing(context, `INSERT ${entity.plural}`, (inner) =>
        store.insert(Bun.randomUUIDv7(), document, inner),
      );
      c.header("location", `${collection}/${created.id}`);
      return answer(c, created, 201);
    }),
  );

  for (const [method, schema, types] of [
    ["PUT", whole, JSON_TYPES],
    ["PATCH", part, PATCH_TYPES],
  ] as const)
    app.on(method, member, (c) =>
      traced(c, `${method} ${member}`, async (context) => {
        const id = idOf(c, entity.name);
        const accepted = acceptedVersions(c.req.header("if-match"));
        const change = await readBody(c, schema, types, maxBodyBytes);
        const changed = await writing(context, `UPDATE ${entity.plural}`, (inner) =>
          store.update(id, change, accepted, inner),
        );
        return answer(c, changed, 200);
      }),
    );

  app.delete(member, (c) =>
    traced(c, `DELETE ${member}`, async (context) => {
      const id = idOf(c, entity.name);
      const accepted = acceptedVersions(c.req.header("if-match"));
      const version = await writing(context, `DELETE ${entity.plural}`, (inner) => store.remove(id, accepted, inner));
      tell(c, entity.plural, id, version);
      return c.body(null, 204);
    }),
  );
}

/** An id that cannot exist is answered as one that does not. @throws {LockstepError} NOT_FOUND. */
function idOf(c: Context, name: string): string {
  const id = (c.req.param("id") ?? "").toLowerCase();
  if (!isId(id)) throw new LockstepError("NOT_FOUND", `There is no ${name} ${id.slice(0, 100)}; ids are UUIDs.`);
  return id;
}

function tell(c: Context, plural: string, id: string, version: Version): void {
  c.header("etag", etagOf(version));
  c.header("sync-token", encodeSyncToken(plural, id, version));
}

/** The request's span; a write that came without a trace begins one, so that its hops can be told by one id. */
async function traced(c: Context, name: string, work: (context: WriteContext) => Promise<Response>): Promise<Response> {
  const given = validTraceparent(c.req.header("traceparent"));
  const span: ActiveSpan = startSpan(name, {
    parent: given,
    kind: SpanKind.SERVER,
    attributes: { "http.request.method": c.req.method, "url.path": c.req.path, "http.route": c.req.routePath },
  });
  try {
    const response = await work({ traceparent: span.traceparent ?? newTraceparent() });
    span.set({ "http.response.status_code": response.status });
    span.end();
    return response;
  } catch (error) {
    const status = error instanceof LockstepError ? policy[error.code].http : 500;
    span.set({ "http.response.status_code": status });
    // A client's mistake is no failure of the server (semantic conventions for HTTP, span status).
    span.end(status >= 500 ? error : undefined);
    throw error;
  }
}

async function writing<T>(
  context: WriteContext,
  name: string,
  work: (context: WriteContext) => Promise<T>,
): Promise<T> {
  const span = startSpan(name, {
    parent: context.traceparent,
    kind: SpanKind.CLIENT,
    attributes: { "db.system.name": "postgresql", "db.query.summary": name },
  });
  try {
    const result = await work({ ...context, traceparent: span.traceparent ?? context.traceparent });
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
