/** The stream of events over HTTP. */
import type { Context, Hono } from "hono";
import { RequestError } from "../../../contracts/errors.ts";
import type { Hub } from "../live/event-hub.ts";

const RETRY_AFTER_S = 5;

/** `GET /api/events` */
export function addStream(app: Hono, hub: Hub): void {
  app.get("/api/events", (c) => {
    const stream = hub.connect(c.req.header("last-event-id"));
    if (!stream)
      throw new RequestError("UNAVAILABLE", "Too many look at this console already; try again later.", {
        retryAfterSeconds: RETRY_AFTER_S,
      });
    neverIdle(c);
    return c.body(stream, 200, {
      "content-type": "text/event-stream; charset=utf-8",
      // Proxies must neither keep nor gather events.
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
  });
}

/** Bun closes a connection that is silent for a while: here the hub decides who is gone. */
function neverIdle(c: Context): void {
  const server = c.env as Partial<Pick<Bun.Server<unknown>, "timeout">> | undefined;
  server?.timeout?.(c.req.raw, 0);
}
