/** `bun run up`, `down` and `status`. Installs what is missing first: nothing else may be imported before. */
import { ensureInstalled } from "./bootstrap.ts";

ensureInstalled();
const { runCommand } = await import("./commands.ts");
await runCommand();
