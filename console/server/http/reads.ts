/** Routes that read declarations, status, journeys, entities and dead letters. */
import type { Hono } from "hono";
import { isDeadLetterName } from "../../../contracts/dead-letter.ts";
import { RequestError } from "../../../contracts/errors.ts";
import { parseLimit } from "../../../contracts/pages.ts";
import type { Project } from "../../../contracts/project.ts";
import type { Connections } from "../../../operations/connect.ts";
import { type DeadLetterState, deadLetterStates } from "../../../operations/dead-letters/dead-letter-index.ts";
import { paginate, toListItem } from "../../../operations/dead-letters/list.ts";
import { selectDeadLetters } from "../../../operations/dead-letters/select.ts";
import { readDetails } from "../../../operations/dead-letters/show.ts";
import { entitiesWithKey, isKnown, readJourney } from "../../../operations/journey/journey.ts";
import { statusOf } from "../../../operations/status/status.ts";
import { newestEntities } from "../actions/newest-entities.ts";
import type { ConditionMonitor } from "../condition-monitor.ts";
import { describeEntities } from "../declarations.ts";
import { toHttpError } from "./http-error.ts";
import { findEntity } from "./request.ts";

/** Collaborators of the read routes. */
export interface ReadDeps {
  readonly connections: Connections;
  readonly project: Project;
  readonly monitor: Pick<ConditionMonitor, "latest">;
  /**
   * Facts that the page needs before it shows anything: whether operations are allowed, the address of a trace with
   * `{traceId}` in it, and whether the console belongs to a local stack.
   */
  readonly about: { readonly operations: boolean; readonly traceUrl: string | null; readonly stack: boolean };
}

/** Adds `GET /api/about`, `status`, `journey/{id}`, `entities/{plural}`, `dead-letters` and `dead-letter`. */
export function addReads(app: Hono, { connections, project, monitor, about }: ReadDeps): void {
  app.get("/api/about", (c) => c.json({ ...about, entities: describeEntities(project) }));
  app.get("/api/status", async (c) => c.json(statusOf(await monitor.latest())));
  app.get("/api/journey/:id", async (c) => {
    const wanted = entitiesWithKey(project, c.req.query("entity"), c.req.param("id"));
    if (wanted.length === 0)
      throw new RequestError("NOT_FOUND", "The path does not end in the key of a declared entity.");
    const journeys = await toHttpError(() =>
      Promise.all(wanted.map(({ entity, id }) => readJourney(connections, entity, id))),
    );
    return c.json({ journeys: journeys.filter(isKnown) });
  });
  app.get("/api/entities/:plural", async (c) => {
    const entity = findEntity(project, c.req.param("plural"));
    const limit = parseLimit(c.req.query("limit"));
    return c.json({ items: await toHttpError(() => newestEntities(connections.source(), entity, limit)) });
  });
  addDeadLetters(app, { connections, project });
}

function addDeadLetters(app: Hono, deps: Pick<ReadDeps, "connections" | "project">): void {
  const find = (origins: readonly string[] = []) =>
    toHttpError(() => selectDeadLetters({ ...deps, progress: () => {} }, {}, origins));

  app.get("/api/dead-letters", async (c) => {
    const { state = "all", cursor, limit, newest } = c.req.query();
    if (!isStateFilter(state))
      throw new RequestError(
        "MALFORMED",
        `state must be all or one of ${deadLetterStates.join(", ")}; it is ${state.slice(0, 100)}.`,
      );
    const all = [...(await find()).values()];
    const max = parseLimit(limit || undefined);
    // `newest` is for the page: the last `limit` items, newest first, without a cursor.
    if (newest !== undefined) {
      const { items, counts } = paginate(all, state, Math.max(1, all.length));
      return c.json({ items: items.slice(-max).reverse().map(toListItem), counts, nextCursor: null });
    }
    const { items, counts, nextCursor } = paginate(all, state, max, cursor);
    return c.json({ items: items.map(toListItem), counts, nextCursor });
  });
  app.get("/api/dead-letter", async (c) => {
    const origin = c.req.query("origin") ?? "";
    if (!isDeadLetterName(origin))
      throw new RequestError("MALFORMED", "origin must name a dead letter as topic/partition/offset or outbox/number.");
    const found = (await find([origin])).get(origin);
    if (!found) throw new RequestError("NOT_FOUND", `There is no dead letter of ${origin}.`);
    return c.json(await toHttpError(() => readDetails(deps, found, false)));
  });
}

const isStateFilter = (state: string): state is DeadLetterState | "all" =>
  state === "all" || deadLetterStates.includes(state as DeadLetterState);
