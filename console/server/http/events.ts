/** Serves the event stream over HTTP. */
import type { Context, Hono } from "hono";
import { RequestError } from "../../../contracts/errors.ts";
import type { EventHub } from "../live/event-hub.ts";

const RETRY_AFTER_S = 5;

/** Adds `GET /api/events`: server-sent events. Responds with UNAVAILABLE (503) when the hub accepts no more clients. */
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

/** Switches off Bun's timeout for idle connections: the hub drops clients that do not read. */
function disableIdleTimeout(c: Context): void {
  const server = c.env as Partial<Pick<Bun.Server<unknown>, "timeout">> | undefined;
  server?.timeout?.(c.req.raw, 0);
}
