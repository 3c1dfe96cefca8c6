/** Checks of Redis. */
import type { Redis } from "ioredis";
import type { Findings } from "./finding.ts";

/** @throws {Error} when Redis is unavailable. */
export async function checkCache(redis: Redis, findings: Findings): Promise<void> {
  const info = await redis.info("server");
  const version = /^(?:redis|valkey)_version:(.+)$/m.exec(info)?.[1]?.trim() ?? "of an unknown version";
  findings.ok(`Redis ${version}`);
  // Services of Redis in a cloud often forbid CONFIG.
  const read = async (name: string) => ((await redis.config("GET", name).catch(() => [])) as string[])[1];
  const [policy, memory] = [await read("maxmemory-policy"), await read("maxmemory")];
  if (policy === undefined)
    return findings.warn("its settings cannot be read", "make sure that maxmemory-policy is allkeys-lru");
  if (memory === "0") findings.warn("it has no limit of memory", "set maxmemory, and maxmemory-policy to allkeys-lru");
  else if (policy !== "allkeys-lru" && policy !== "allkeys-lfu")
    findings.warn(
      `maxmemory-policy is ${policy}: when memory is full, the cache is off`,
      "redis-cli config set maxmemory-policy allkeys-lru",
    );
}
