/** The Lua scripts, each behind the gate that lets only the installed epoch through. */
import type { Redis } from "ioredis";
import fenceText from "./fence.lua" with { type: "text" };
import fillText from "./fill.lua" with { type: "text" };
import gate from "./gate.lua" with { type: "text" };
import installText from "./install.lua" with { type: "text" };
import leaseText from "./lease.lua" with { type: "text" };
import liftText from "./lift.lua" with { type: "text" };
import storeText from "./store.lua" with { type: "text" };

/** Runs a script on the server. @throws when the server is away or refuses; whether the script ran is then unknown. */
export type Script = (client: Redis, keys: readonly string[], args: readonly (string | number)[]) => Promise<string>;

function script(text: string): Script {
  const sha1 = new Bun.CryptoHasher("sha1").update(text).digest("hex");
  return async (client, keys, args) => {
    try {
      return (await client.evalsha(sha1, keys.length, ...keys, ...args)) as string;
    } catch (error) {
      // A server that was started anew does not know it yet; it has run nothing.
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return (await client.eval(text, keys.length, ...keys, ...args)) as string;
    }
  };
}

export const fence = script(`${gate}\n${fenceText}`);
export const store = script(`${gate}\n${storeText}`);
export const lift = script(`${gate}\n${liftText}`);
export const lease = script(`${gate}\n${leaseText}`);
export const fill = script(`${gate}\n${fillText}`);
/** Without the gate: this one brings the epoch. */
export const install = script(installText);
