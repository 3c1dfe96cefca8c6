/** The HTTP server of one service process. */
import type { Hono } from "hono";
import { settlesWithin } from "../async/timeout.ts";
import type { Settings } from "../settings/settings.ts";
import { DrainGate } from "./drain-gate.ts";
import { problem } from "./problem.ts";
import { type SharedPort, sharePort } from "./shared-port.ts";

/** Longest time that requests in flight may take after the server stopped accepting connections. */
const STOP_MS = 5_000;
/** The server closes a connection after this time without data. */
const IDLE_S = 60;

/** A listening server. */
export interface HttpServer {
  readonly url: string;
  /**
   * Starts listening on LOCKSTEP_SHARED_PORT too, if it is set. Call it as soon as the service can respond to requests.
   *
   * @throws {Error} when the port is in use.
   */
  listenShared(): void;
  /** Moves clients to other instances, stops accepting connections, and waits at most 5 s for requests in flight. */
  stop(): Promise<void>;
}

/** Starts serving on PORT, so that health checks work during start-up. @throws {Error} when the port is in use. */
export function serveHttp(app: Hono, settings: Settings): HttpServer {
  const gate = new DrainGate((request) => app.fetch(request));
  const server = Bun.serve({
    hostname: settings.LOCKSTEP_HOST,
    port: settings.PORT,
    idleTimeout: IDLE_S,
    // `readBody` bounds each body, so that the response is a problem and not a bare 413. Bun never buffers an unread
    // body.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Bun's development error page shows the stack.
    development: false,
    error: (error) => problem(error, ""),
    fetch: gate.fetch,
  });
  let shared: SharedPort | undefined;
  return {
    url: `http://${settings.LOCKSTEP_HOST}:${server.port}`,
    listenShared() {
      const { LOCKSTEP_HOST: hostname, LOCKSTEP_SHARED_PORT: port } = settings;
      if (port !== undefined) shared ??= sharePort({ hostname, port, to: server.port! });
    },
    async stop() {
      await shared?.close();
      await gate.drain(settings.LOCKSTEP_DRAIN_MS);
      await settlesWithin(server.stop(), STOP_MS);
      await server.stop(true);
    },
  };
}
