/** `bun run test`. Installs missing packages first, so no other module may be imported statically. */
import { ensureInstalled } from "../stack/bootstrap.ts";

ensureInstalled();
const { runTests } = await import("./harness/run-tests.ts");
await runTests();
