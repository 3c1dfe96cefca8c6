/** `bun run test`: everything that passes on a fresh machine. Installs what is missing first: nothing else may be imported before. */
import { ensureInstalled } from "../stack/bootstrap.ts";

ensureInstalled();
const { runTests } = await import("./harness/run-tests.ts");
await runTests();
