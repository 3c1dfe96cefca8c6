/** The Lua scripts of the cache. Each but `install` starts with the gate, which accepts only the installed epoch. */
import type { RedisClient } from "../../platform/redis/redis.ts";
import fenceText from "./fence.lua" with { type: "text" };
import fillText from "./fill.lua" with { type: "text" };
import gate from "./gate.lua" with { type: "text" };
import installText from "./install.lua" with { type: "text" };
import leaseText from "./lease.lua" with { type: "text" };
import liftText from "./lift.lua" with { type: "text" };
import storeText from "./store.lua" with { type: "text" };

/**
 * Runs a script.
 *
 * @throws {Error} when the server is unavailable or rejects it; it is then unknown whether the script ran.
 */
export type Script = (
  client: RedisClient,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<string>;

function script(text: string): Script {
  const sha1 = new Bun.CryptoHasher("sha1").update(text).digest("hex");
  return async (client, keys, args) => {
    try {
      return (await client.evalsha(sha1, keys.length, ...keys, ...args)) as string;
    } catch (error) {
      // A restarted server does not know the script; it has run nothing.
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return (await client.eval(text, keys.length, ...keys, ...args)) as string;
    }
  };
}

/** Fences ids before an apply (fence.lua). */
export const fence = script(`${gate}\n${fenceText}`);
/** Stores committed documents (store.lua). */
export const store = script(`${gate}\n${storeText}`);
/** Lifts the fences of a rejected apply (lift.lua). */
export const lift = script(`${gate}\n${liftText}`);
/** Leases an id for a reader (lease.lua). */
export const lease = script(`${gate}\n${leaseText}`);
/** Stores what a reader found in PostgreSQL (fill.lua). */
export const fill = script(`${gate}\n${fillText}`);
/** Installs a new epoch (install.lua), therefore without the gate. */
export const install = script(installText);
