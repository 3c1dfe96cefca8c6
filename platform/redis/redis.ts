/**
 * A connection to Redis that never waits for a server that is away, never sends a command twice, and always knows which server is
 * at the other end.
 *
 * States: away → connected → away …
 * - away: every command is refused at once. Reconnecting is tried again and again, with pauses of a second at most.
 * - connected: `runId` names the server process. A server that owes an answer and sends nothing for `silenceMs` is away: its
 *   connection is closed, and commands under way fail with an unknown outcome.
 */
import { Redis } from "ioredis";
import type { Logger } from "../../observability/logger.ts";

const CONNECT_MS = 1_000;
const RECONNECT_PAUSES_MS = [50, 100, 200, 500, 1_000];

export interface RedisLink {
  /** Commands reject while the server is away. */
  readonly client: Redis;
  /** Run id of the server that the commands sent now will reach, or nothing while that is not known. */
  readonly runId: () => string | undefined;
  /** Ends the connection for good. */
  close(): void;
}

/** Starts connecting and returns at once. Never throws: a Redis that is not there is away. */
export function connectRedis(
  url: string,
  options: { readonly name: string; readonly silenceMs: number; readonly logger: Logger },
): RedisLink {
  const { name, silenceMs, logger } = options;
  const client = new Redis(url, {
    connectionName: name,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    socketTimeout: silenceMs,
    // Nothing is kept for later: a command that comes late is worse than none (replicas/cache/README.md).
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (times) => RECONNECT_PAUSES_MS[Math.min(times, RECONNECT_PAUSES_MS.length) - 1] ?? 1_000,
  });
  let runId: string | undefined;
  let connection = 0;
  let away = false;
  let closed = false;

  let why: unknown;

  const lost = () => {
    connection++;
    runId = undefined;
    if (!away && !closed) logger.warn({ err: why, redis: name }, "Redis is away");
    away = true;
  };
  client.on("error", (error) => {
    why = error; // a close follows
  });
  client.on("close", lost);
  client.on("end", lost);
  client.on("ready", async () => {
    const asked = connection;
    try {
      const found = runIdOf(await client.info("server"));
      // The answer may be about a connection that is gone by now.
      if (asked !== connection) return;
      if (!found) throw new Error("INFO has no run_id");
      runId = found;
      if (away) logger.info({ redis: name }, "Redis is back");
      away = false;
    } catch (error) {
      logger.warn({ err: error, redis: name }, "the server at the other end is not known");
      if (asked === connection) client.disconnect(true);
    }
  });
  client.connect().catch(() => {}); // told by the events

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
