/**
 * Entry of `bun run up`, `down`, `restart`, `stop`, `start` and `status`. Installs the dependencies before it imports
 * other modules.
 */
import { ensureInstalled } from "./bootstrap.ts";

ensureInstalled();
const { stackCommand } = await import("./commands.ts");
await stackCommand().name("bun run").parseAsync();
