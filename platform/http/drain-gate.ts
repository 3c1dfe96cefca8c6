/**
 * Stands between the server and the app, so that a stop resets no connection.
 *
 * When Bun stops a server, it closes idle connections, even if the client's next request is on its way. Therefore the
 * gate drains first: each response tells its client to reconnect (`Connection: close`). Behind a shared port or a load
 * balancer the client then reaches another instance.
 */
import { sleep } from "../async/sleep.ts";

/** Draining ends after this time without a request: an idle client then notices that its connection is closed. */
const QUIET_MS = 1_000;
const POLL_MS = 20;
/** A poll that takes longer means that this process had no CPU time. */
const LATE_POLL_MS = 100;

/** Passes requests to the app. While it drains, it also closes each connection after its response. */
export class DrainGate {
  private draining = false;
  private lastRequestMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly app: (request: Request) => Response | Promise<Response>) {}

  /** The server's request handler. */
  readonly fetch = (request: Request): Response | Promise<Response> => {
    this.lastRequestMs = performance.now();
    return this.draining ? this.respondAndClose(request) : this.app(request);
  };

  /** Resolves one second after the last request, and after `maxMs` milliseconds at the latest. Also fails readiness. */
  async drain(maxMs: number): Promise<void> {
    this.draining = true;
    const deadline = performance.now() + maxMs;
    let now = performance.now();
    while (now < deadline && now - this.lastRequestMs < QUIET_MS) {
      const polledAt = now;
      await sleep(Math.min(POLL_MS, deadline - now));
      now = performance.now();
      // Timers run before input is read, so after a late poll there can be requests that this gate has not seen yet.
      if (now - polledAt > LATE_POLL_MS) this.lastRequestMs = now;
    }
  }

  private async respondAndClose(request: Request): Promise<Response> {
    const asksReadiness = new URL(request.url).pathname === "/health/ready";
    const response = asksReadiness ? Response.json({ status: "stopping" }, { status: 503 }) : await this.app(request);
    response.headers.set("connection", "close");
    return response;
  }
}
