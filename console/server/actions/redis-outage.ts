/** Simulates outages of Redis over an ordinary connection. Redis recovers from both without an operator. */
import { cachePrefix } from "../../../contracts/cache-entry.ts";
import { RequestError } from "../../../contracts/errors.ts";
import type { Project } from "../../../contracts/project.ts";
import { connectRedis } from "../../../operations/connect.ts";

/** Keys of every project (replicas/cache/README.md). */
const KEY_PATTERN = "lockstep:{*";
const SCAN_COUNT = 1_000;

/**
 * Makes Redis stop answering all clients for `ms` milliseconds (`CLIENT PAUSE … ALL`), like a server that hangs.
 *
 * @param url address of Redis; undefined when none is configured.
 * @param ms 1 to 15,000.
 * @throws {RequestError} UNAVAILABLE when no Redis is configured, or it does not answer.
 */
export async function pauseRedis(url: string | undefined, ms: number): Promise<void> {
  await withRedis(url, (redis) => redis.call("CLIENT", "PAUSE", String(ms), "ALL"));
}

/**
 * Deletes all keys of the project, as a restart of Redis without persistence would.
 *
 * @param url address of Redis; undefined when none is configured.
 * @returns the number of deleted keys.
 * @throws {RequestError} UNAVAILABLE when no Redis is configured, or it does not answer.
 */
export async function deleteCacheKeys(
  url: string | undefined,
  { allEntities }: Pick<Project, "allEntities">,
): Promise<number> {
  const prefixes = allEntities.flatMap((entity) => entity.replicas.map(({ name }) => cachePrefix(name, entity)));
  return await withRedis(url, async (redis) => {
    let deleted = 0;
    for (let cursor = "0"; ; ) {
      const [next, found] = await redis.scan(cursor, "MATCH", KEY_PATTERN, "COUNT", SCAN_COUNT);
      // Other projects, and other users of this Redis, keep their keys.
      const keys = found.filter((key) => prefixes.some((prefix) => key.startsWith(prefix)));
      if (keys.length > 0) deleted += await redis.unlink(...keys);
      cursor = next;
      if (cursor === "0") return deleted;
    }
  });
}

async function withRedis<T>(
  url: string | undefined,
  work: (redis: NonNullable<ReturnType<typeof connectRedis>>) => Promise<T>,
): Promise<T> {
  const redis = connectRedis(url);
  if (!redis) throw new RequestError("UNAVAILABLE", "No Redis is configured; set REDIS_URL.");
  try {
    return await work(redis);
  } catch (cause) {
    throw new RequestError("UNAVAILABLE", "Redis does not answer; try again when it is available.", { cause });
  } finally {
    redis.disconnect();
  }
}
