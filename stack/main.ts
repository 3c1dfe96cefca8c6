/**
 * Entry of `bun run up`, `down`, `status` and `restart`. Other modules are imported only after the dependencies are
 * installed.
 */
import { ensureInstalled } from "./bootstrap.ts";

ensureInstalled();
const { runCommand } = await import("./commands.ts");
await runCommand();
