/** Checks whether a server responds, with one request on a connection of its own. */
import { Redis } from "ioredis";
import postgres from "postgres";
import { withTimeout } from "../../platform/async/timeout.ts";

const noResponse = (timeoutMs: number) => () => new Error(`no response within ${timeoutMs} ms`);

/** @throws {Error} when PostgreSQL does not answer a query within `timeoutMs`, or rejects the user. */
export async function probePostgres(url: string, timeoutMs = 2_000): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: timeoutMs / 1000, onnotice: () => {} });
  try {
    await withTimeout(sql`select 1`, timeoutMs, noResponse(timeoutMs));
  } finally {
    // Not awaited: a suspended server (SIGSTOP) never completes the disconnect.
    sql.end({ timeout: 0 }).catch(() => {});
  }
}

/** @throws {Error} when Redis does not answer PING within `timeoutMs`. */
export async function probeRedis(url: string, timeoutMs = 2_000): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let connectionError: Error | undefined;
  redis.on("error", (error: Error) => {
    connectionError = error;
  });
  try {
    await withTimeout(redis.ping(), timeoutMs, noResponse(timeoutMs));
  } catch (error) {
    // ioredis rejects with "connection is closed"; the event has the reason.
    throw connectionError ?? error;
  } finally {
    redis.disconnect();
  }
}

/** @throws {Error} when an HTTP server does not answer with a status from 200 to 299 within `timeoutMs`. */
export async function probeHttp(url: string, timeoutMs = 2_000): Promise<void> {
  const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!ok) throw new Error(`status ${status}`);
}
