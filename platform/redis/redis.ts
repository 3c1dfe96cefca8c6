/**
 * A connection to Redis that never waits for an unavailable server, never sends a command twice, and always knows which
 * server process it is connected to.
 *
 * States: unavailable → connected → unavailable …
 * - unavailable: commands reject at once. The link reconnects with delays of at most one second.
 * - connected: `runId` identifies the server process. If the server owes a response and sends nothing for `silenceMs`,
 *   the connection is closed, and commands in flight reject with an unknown outcome.
 */
import type { Logger } from "../../observability/logger.ts";
import { redisAddress } from "./address.ts";
import { RedisConnection } from "./redis-connection.ts";

const CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_DELAYS_MS = [50, 100, 200, 500];
const MAX_RECONNECT_DELAY_MS = 1_000;

/**
 * The commands of the cache. Each rejects while the server is unavailable, when the connection closes before the reply,
 * and with the server's error, which begins with its code (NOSCRIPT).
 */
export interface RedisClient {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, unit: "PX", ttlMs: number): Promise<unknown>;
  /** @param rest keys, then arguments. */
  evalsha(digest: string, keyCount: number, ...rest: (string | number)[]): Promise<unknown>;
  /** @param rest keys, then arguments. */
  eval(text: string, keyCount: number, ...rest: (string | number)[]): Promise<unknown>;
}

/** A connection that reopens by itself. */
export interface RedisLink {
  /** Commands reject while the server is unavailable. */
  readonly client: RedisClient;
  /** Run id of the server that receives the next command; undefined while it is unknown. */
  readonly runId: () => string | undefined;
  /** Closes the connection; it does not reopen. */
  close(): void;
}

/** Starts connecting and returns at once. @throws {Error} for an invalid URL. */
export function connectRedis(
  url: string,
  options: { readonly name: string; readonly silenceMs: number; readonly logger: Logger },
): RedisLink {
  const link = new Link({ ...options, address: redisAddress(url), connectTimeoutMs: CONNECT_TIMEOUT_MS });
  return { client: link, runId: () => link.runId, close: () => link.close() };
}

class Link implements RedisClient {
  private connection: RedisConnection;
  private failures = 0;
  private isUnavailable = false;
  private isClosed = false;
  private timer: Timer | undefined;

  constructor(
    private readonly options: Omit<ConstructorParameters<typeof RedisConnection>[0], "onOpen" | "onClosed"> & {
      readonly logger: Logger;
    },
  ) {
    this.connection = this.connect();
  }

  get runId(): string | undefined {
    return this.connection.runId;
  }

  async get(key: string): Promise<string | null> {
    return (await this.send(["GET", key])) as string | null;
  }

  set(key: string, value: string, unit: "PX", ttlMs: number): Promise<unknown> {
    return this.send(["SET", key, value, unit, ttlMs]);
  }

  evalsha(digest: string, keyCount: number, ...rest: (string | number)[]): Promise<unknown> {
    return this.send(["EVALSHA", digest, keyCount, ...rest]);
  }

  eval(text: string, keyCount: number, ...rest: (string | number)[]): Promise<unknown> {
    return this.send(["EVAL", text, keyCount, ...rest]);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.connection.close(new Error("the connection to Redis is closed"));
  }

  private send(words: readonly (string | number)[]): Promise<string | number | null> {
    if (this.runId === undefined) return Promise.reject(new Error("Redis is unavailable"));
    return this.connection.send(words);
  }

  private connect(): RedisConnection {
    const { logger, name } = this.options;
    return new RedisConnection({
      ...this.options,
      onOpen: () => {
        this.failures = 0;
        if (this.isUnavailable) logger.info({ redis: name }, "Redis is available again");
        this.isUnavailable = false;
      },
      onClosed: (error) => {
        if (this.isClosed) return;
        if (!this.isUnavailable) logger.warn({ err: error, redis: name }, "Redis is unavailable; reconnecting");
        this.isUnavailable = true;
        const delayMs = RECONNECT_DELAYS_MS[this.failures++] ?? MAX_RECONNECT_DELAY_MS;
        this.timer = setTimeout(() => {
          this.connection = this.connect();
        }, delayMs);
      },
    });
  }
}
