/**
 * A connection to Redis that never waits for an unavailable server, never sends a command twice, and always knows which
 * server process it is connected to.
 *
 * States: unavailable → connected → unavailable …
 * - unavailable: commands reject at once. The client reconnects with delays of at most one second.
 * - connected: `runId` identifies the server process. If the server owes a response and sends nothing for `silenceMs`,
 *   the connection is closed, and commands in flight reject with an unknown outcome.
 */
import { Redis } from "ioredis";
import type { Logger } from "../../observability/logger.ts";

const CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_DELAYS_MS = [50, 100, 200, 500, 1_000];

/** A connection that reopens by itself. */
export interface RedisLink {
  /** Commands reject while the server is unavailable. */
  readonly client: Redis;
  /** Run id of the server that receives the next command; undefined while it is unknown. */
  readonly runId: () => string | undefined;
  /** Closes the connection; it does not reopen. */
  close(): void;
}

/** Starts connecting and returns at once. Never throws. */
export function connectRedis(
  url: string,
  options: { readonly name: string; readonly silenceMs: number; readonly logger: Logger },
): RedisLink {
  const { name, silenceMs, logger } = options;
  const client = new Redis(url, {
    connectionName: name,
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: silenceMs,
    // Never queue or resend: a command that arrives late could undo a newer one.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (times) => RECONNECT_DELAYS_MS[Math.min(times, RECONNECT_DELAYS_MS.length) - 1] ?? 1_000,
  });
  let runId: string | undefined;
  let connection = 0;
  let unavailable = false;
  let closed = false;
  let lastError: unknown;

  const onLost = () => {
    connection++;
    runId = undefined;
    if (!unavailable && !closed) logger.warn({ err: lastError, redis: name }, "Redis is unavailable; reconnecting");
    unavailable = true;
  };
  client.on("error", (error) => {
    lastError = error; // the event "close" follows
  });
  client.on("close", onLost);
  client.on("end", onLost);
  client.on("ready", async () => {
    const current = connection;
    try {
      const found = runIdOf(await client.info("server"));
      // The response may come from a connection that has closed meanwhile.
      if (current !== connection) return;
      if (!found) throw new Error("the response to INFO has no run_id");
      runId = found;
      if (unavailable) logger.info({ redis: name }, "Redis is available again");
      unavailable = false;
    } catch (error) {
      logger.warn({ err: error, redis: name }, "Redis did not identify itself; reconnecting");
      if (current === connection) client.disconnect(true);
    }
  });
  client.connect().catch(() => {}); // the events report it

  return {
    client,
    runId: () => runId,
    close() {
      closed = true;
      client.disconnect();
    },
  };
}

const runIdOf = (info: string): string | undefined => /^run_id:(\S+)/m.exec(info)?.[1];
