/**
 * A connection to Redis that never waits for an unavailable server, never sends a command twice, and always knows which
 * server process it is connected to.
 *
 * States: unavailable → connected → unavailable …
 * - unavailable: commands reject at once. The link reconnects with delays of at most one second.
 * - connected: `runId` identifies the server process. If the server owes a response and sends nothing for `silenceMs`,
 *   the connection is closed, and commands in flight reject with an unknown outcome.
 */
import { Redis } from "ioredis";
import type { Logger } from "../../observability/logger.ts";

const CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_DELAYS_MS = [50, 100, 200, 500, 1_000];

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

/** How a link behaves. */
interface RedisLinkOptions {
  /** Shown in `CLIENT LIST`. */
  readonly name: string;
  /** The connection closes when the server owes a reply and sends nothing for this long, in milliseconds. */
  readonly silenceMs: number;
  readonly logger: Logger;
}

/** Starts connecting and returns at once. Never throws. */
export function connectRedis(url: string, options: RedisLinkOptions): RedisLink {
  const link = new Link(url, options);
  return { client: link, runId: () => link.runId, close: () => link.close() };
}

class Link implements RedisClient {
  runId: string | undefined;
  private readonly redis: Redis;
  /** Rises when a connection is lost. */
  private connection = 0;
  private isUnavailable = false;
  private isClosed = false;
  private lastError: unknown;
  /** Commands without a reply. */
  private pending = 0;
  /** True from the connection's start until ioredis' own first commands have their replies. */
  private isOpening = false;
  private lastByteMs = 0;
  private silenceTimer: Timer | undefined;

  constructor(
    url: string,
    private readonly options: RedisLinkOptions,
  ) {
    this.redis = new Redis(url, {
      connectionName: options.name,
      lazyConnect: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      // Never queue or resend: a command that arrives late could undo a newer one.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: (times) => RECONNECT_DELAYS_MS[Math.min(times, RECONNECT_DELAYS_MS.length) - 1] ?? 1_000,
    });
    this.redis.on("connect", () => this.onConnect());
    this.redis.on("ready", () => void this.onReady());
    this.redis.on("error", (error) => {
      this.lastError = error; // the event "close" follows
    });
    this.redis.on("close", () => this.onLost());
    this.redis.on("end", () => this.onLost());
    this.redis.connect().catch(() => {}); // the events report it
  }

  get(key: string): Promise<string | null> {
    return this.reply(this.redis.get(key));
  }

  set(key: string, value: string, unit: "PX", ttlMs: number): Promise<unknown> {
    return this.reply(this.redis.set(key, value, unit, ttlMs));
  }

  evalsha(digest: string, keyCount: number, ...rest: (string | number)[]): Promise<unknown> {
    return this.reply(this.redis.evalsha(digest, keyCount, ...rest));
  }

  eval(text: string, keyCount: number, ...rest: (string | number)[]): Promise<unknown> {
    return this.reply(this.redis.eval(text, keyCount, ...rest));
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.silenceTimer);
    this.redis.disconnect();
  }

  private async reply<T>(command: Promise<T>): Promise<T> {
    if (this.pending++ === 0) this.watchSilence();
    try {
      return await command;
    } finally {
      this.pending--;
    }
  }

  private onConnect(): void {
    this.isOpening = true;
    this.redis.stream.on("data", () => {
      this.lastByteMs = performance.now();
    });
    this.watchSilence();
  }

  private async onReady(): Promise<void> {
    this.isOpening = false;
    const { logger, name } = this.options;
    const current = this.connection;
    try {
      const found = /^run_id:(\S+)/m.exec(await this.reply(this.redis.info("server")))?.[1];
      // The response may come from a connection that has closed meanwhile.
      if (current !== this.connection) return;
      if (!found) throw new Error("the response to INFO has no run_id");
      this.runId = found;
      if (this.isUnavailable) logger.info({ redis: name }, "Redis is available again");
      this.isUnavailable = false;
    } catch (error) {
      logger.warn({ err: error, redis: name }, "Redis did not identify itself; reconnecting");
      if (current === this.connection) this.redis.disconnect(true);
    }
  }

  private onLost(): void {
    this.connection++;
    this.runId = undefined;
    this.isOpening = false;
    const { logger, name } = this.options;
    if (!this.isUnavailable && !this.isClosed)
      logger.warn({ err: this.lastError, redis: name }, "Redis is unavailable; reconnecting");
    this.isUnavailable = true;
  }

  /** One timer for all commands. ioredis' `socketTimeout` sets one for each, which costs as much as the command. */
  private watchSilence(): void {
    this.lastByteMs = performance.now();
    this.silenceTimer ??= setTimeout(() => this.checkSilence(), this.options.silenceMs);
  }

  private checkSilence(): void {
    this.silenceTimer = undefined;
    if (this.isClosed || (this.pending === 0 && !this.isOpening)) return;
    const { silenceMs } = this.options;
    const remainingMs = this.lastByteMs + silenceMs - performance.now();
    if (remainingMs > 0) this.silenceTimer = setTimeout(() => this.checkSilence(), remainingMs);
    else this.redis.stream.destroy(new Error(`Redis owes a reply and sent nothing for ${silenceMs} ms`));
  }
}
