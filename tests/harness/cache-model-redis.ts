/** A Redis client that breaks one rule of the cache protocol, to show that the protocol needs the rule. */
import type { Redis } from "ioredis";

/** The rule that is broken. Those that concern PostgreSQL, leases or the server's identity are in cache-model.ts. */
export type ProtocolFault =
  | "applies without waiting for leases"
  | "commits under any epoch"
  | "does not fence"
  | "fills without a lease"
  | "trusts any server"
  | "stores without its fence"
  | "lifts others' fences"
  | "lifts what may still be committed";

/** SHA-1 digests of the scripts that faults replace. */
export type ScriptDigests = Readonly<Record<"fence" | "fill" | "store" | "lift", string>>;

interface FaultyRedis {
  readonly redis: Redis;
  readonly fault?: ProtocolFault | undefined;
  readonly scripts: ScriptDigests;
}

/** Returns a client for the four commands of the cache. @param send runs each command, and may delay or fail it. */
export function faultyClient(deps: FaultyRedis, send: <T>(run: () => Promise<T>) => Promise<T>): Redis {
  const { redis } = deps;
  return {
    get: (key: string) => send(() => redis.get(key)),
    set: (key: string, value: string) => send(() => redis.set(key, value, "PX", 1_000)),
    eval: (text: string, keys: number, ...args: string[]) => send(() => redis.eval(text, keys, ...args)),
    evalsha: (sha: string, keys: number, ...args: string[]) => send(() => runScript(deps, sha, keys, args)),
  } as unknown as Redis;
}

/** Runs a script, or what the fault puts in its place. */
async function runScript({ redis, fault, scripts }: FaultyRedis, sha: string, keys: number, args: readonly string[]) {
  if (fault === "does not fence" && sha === scripts.fence) return "ok";
  if (fault === "fills without a lease" && sha === scripts.fill && args[5])
    return await redis.set(args[1]!, args[5]).then(() => "stored");
  if (fault === "stores without its fence" && sha === scripts.store) {
    for (let i = 1; i < keys; i++) {
      const text = args[keys + 2 * i + 1];
      if (text) await redis.set(args[i]!, text);
    }
    return "ok";
  }
  if (fault?.startsWith("lifts") && sha === scripts.lift) {
    const field = args[1]!;
    const fence = args[keys + 1]!;
    const fences = await redis.hget(args[0]!, field);
    const isOwn = fences?.includes(fence);
    if (fault === "lifts others' fences" || (isOwn && !fences?.includes(" "))) await redis.hdel(args[0]!, field);
    return "ok";
  }
  return await redis.evalsha(sha, keys, ...args);
}
