/** Serves the event stream over HTTP. */
import type { Context, Hono } from "hono";
import { RequestError } from "../../../contracts/errors.ts";
import type { EventHub } from "../live/event-hub.ts";

const RETRY_AFTER_S = 5;

/** Adds `GET /api/events`: server-sent events. Answers UNAVAILABLE (503) when the hub has its limit of clients. */
export function addEvents(app: Hono, hub: EventHub): void {
  app.get("/api/events", (c) => {
    const stream = hub.connect(c.req.header("last-event-id"));
    if (!stream)
      throw new RequestError("UNAVAILABLE", "The console has too many open pages; close one, or try again later.", {
        retryAfterSeconds: RETRY_AFTER_S,
      });
    disableIdleTimeout(c);
    return c.body(stream, 200, {
      "content-type": "text/event-stream; charset=utf-8",
      // Proxies must neither store nor buffer events.
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
  });
}

/** Bun closes idle connections. Here the hub decides which clients are gone, by what they leave unread. */
function disableIdleTimeout(c: Context): void {
  const server = c.env as Partial<Pick<Bun.Server<unknown>, "timeout">> | undefined;
  server?.timeout?.(c.req.raw, 0);
}
