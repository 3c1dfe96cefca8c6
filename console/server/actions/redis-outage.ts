/** Takes Redis away for a while, through nothing but a connection to it: bounded, and over by itself. */
import { RequestError } from "../../../contracts/errors.ts";
import { connectRedis } from "../../../operations/connect.ts";

/** Of every key of ours (replicas/cache/README.md): a Redis that others use as well keeps theirs. */
const OURS = "lockstep:{*";
const AT_A_TIME = 1_000;

/**
 * Redis answers nobody for so long: it looks like a server that hangs, and is well again after that.
 *
 * @param ms 1 to 15,000.
 */
export async function silence(url: string | undefined, ms: number): Promise<void> {
  await withRedis(url, (redis) => redis.call("CLIENT", "PAUSE", String(ms), "ALL"));
}

/** Redis forgets all that replicas have cached, as it does when it starts without its memory. @returns how many keys. */
export async function forget(url: string | undefined): Promise<number> {
  return await withRedis(url, async (redis) => {
    let forgotten = 0;
    for (let cursor = "0"; ; ) {
      const [next, keys] = await redis.scan(cursor, "MATCH", OURS, "COUNT", AT_A_TIME);
      if (keys.length > 0) forgotten += await redis.unlink(...keys);
      cursor = next;
      if (cursor === "0") return forgotten;
    }
  });
}

async function withRedis<T>(
  url: string | undefined,
  work: (redis: NonNullable<ReturnType<typeof connectRedis>>) => Promise<T>,
): Promise<T> {
  const redis = connectRedis(url);
  if (!redis) throw new RequestError("UNAVAILABLE", "There is no Redis here: REDIS_URL is not set.");
  try {
    return await work(redis);
  } catch (cause) {
    throw new RequestError("UNAVAILABLE", "Redis does not answer.", { cause });
  } finally {
    redis.disconnect();
  }
}
