/** Asks a server for an answer, once, as a client would. Each rejects when there is none within `timeoutMs`. */
import { Redis } from "ioredis";
import postgres from "postgres";

/** @throws {Error} when PostgreSQL does not answer a query, or refuses the user. */
export async function probePostgres(url: string, timeoutMs = 2_000): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: timeoutMs / 1000, onnotice: () => {} });
  try {
    await within(timeoutMs, sql`select 1`);
  } finally {
    // Not awaited: a server that is stopped in the middle does not say good-bye either.
    sql.end({ timeout: 0 }).catch(() => {});
  }
}

/** @throws {Error} when Redis does not answer PING. */
export async function probeRedis(url: string, timeoutMs = 2_000): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let refusal: Error | undefined;
  redis.on("error", (error: Error) => {
    refusal = error;
  });
  try {
    await within(timeoutMs, redis.ping());
  } catch (error) {
    // ioredis says "connection is closed"; the event says why.
    throw refusal ?? error;
  } finally {
    redis.disconnect();
  }
}

function within<T>(timeoutMs: number, answer: PromiseLike<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    answer.then(resolve, reject);
    const clear = () => clearTimeout(timer);
    answer.then(clear, clear);
  });
}
