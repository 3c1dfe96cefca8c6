/** What anybody who may see the page may ask. */
import type { Hono } from "hono";
import { parseOrigin } from "../../../contracts/dead-letter.ts";
import { entities } from "../../../contracts/entities/index.ts";
import { RequestError } from "../../../contracts/errors.ts";
import { isId, parsePageRequest } from "../../../contracts/pages.ts";
import type { Connections } from "../../../operations/connect.ts";
import { type DeadLetterState, deadLetterStates } from "../../../operations/dead-letters/dead-letter-index.ts";
import { paginate, toListItem } from "../../../operations/dead-letters/list.ts";
import { selectDeadLetters } from "../../../operations/dead-letters/select.ts";
import { readDetails } from "../../../operations/dead-letters/show.ts";
import { isKnown, readJourney } from "../../../operations/journey/journey.ts";
import { readStatus } from "../../../operations/status/status.ts";
import { newest } from "../actions/newest-entities.ts";
import { declaredEntities } from "../declarations.ts";
import { toHttpError } from "./http-error.ts";

export interface ReadParts {
  readonly connections: Connections;
  /** What the page must know before it shows anything. */
  readonly about: { readonly operations: boolean; readonly traceUrl: string | null; readonly stack: boolean };
}

/** `GET /api/…` */
export function addReads(app: Hono, { connections, about }: ReadParts): void {
  app.get("/api/about", (c) => c.json({ ...about, entities: declaredEntities() }));
  app.get("/api/status", async (c) => c.json(await toHttpError(() => readStatus(connections))));
  app.get("/api/journey/:id", async (c) => {
    const id = (c.req.param("id") ?? "").toLowerCase();
    if (!isId(id)) throw new RequestError("NOT_FOUND", "Ids are UUIDs.");
    const journeys = await toHttpError(() => Promise.all(entities.map((one) => readJourney(connections, one, id))));
    return c.json({ journeys: journeys.filter(isKnown) });
  });
  app.get("/api/entities/:plural", async (c) => {
    const entity = entityOf(c.req.param("plural"));
    const { limit } = parsePageRequest(c.req.query());
    return c.json({ items: await toHttpError(() => newest(connections.source(), entity, limit)) });
  });
  addLetters(app, connections);
}

const quietly = (connections: Connections) => ({ connections, progress: () => {} });

function addLetters(app: Hono, connections: Connections): void {
  app.get("/api/dead-letters", async (c) => {
    const { state = "all", cursor, limit, newest: newestFirst } = c.req.query();
    if (state !== "all" && !deadLetterStates.includes(state as DeadLetterState))
      throw new RequestError("MALFORMED", "There is no such state.");
    const all = [...(await toHttpError(() => selectDeadLetters(quietly(connections), {}))).values()];
    const max = parsePageRequest(limit ? { limit } : {}).limit;
    // A page that shows how things are now begins at the end, and goes no further.
    if (newestFirst !== undefined) {
      const { items, counts } = paginate(all, state as DeadLetterState | "all", Math.max(1, all.length));
      return c.json({ items: items.slice(-max).reverse().map(toListItem), counts, nextCursor: null });
    }
    const { items, counts, nextCursor } = paginate(all, state as DeadLetterState | "all", max, cursor);
    return c.json({ items: items.map(toListItem), counts, nextCursor });
  });
  app.get("/api/dead-letter", async (c) => {
    const name = c.req.query("origin") ?? "";
    if (!parseOrigin(name))
      throw new RequestError("MALFORMED", "A letter is named by its origin: topic/partition/offset.");
    const found = (await toHttpError(() => selectDeadLetters(quietly(connections), {}, [name]))).get(name);
    if (!found) throw new RequestError("NOT_FOUND", `There is no dead letter ${name}.`);
    return c.json(await toHttpError(async () => readDetails(await connections.log(), found, false)));
  });
}

/** @throws {RequestError} NOT_FOUND. */
export function entityOf(plural: string | undefined) {
  const entity = entities.find((one) => one.plural === plural);
  if (!entity) throw new RequestError("NOT_FOUND", "No entity is declared under this name.");
  return entity;
}
