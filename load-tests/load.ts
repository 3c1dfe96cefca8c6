#!/usr/bin/env bun
/** `bun run load NAME`: k6 against a stack (load-tests/README.md). Installs what is missing first: nothing else may be imported before. */
import { ensureInstalled } from "../stack/bootstrap.ts";

ensureInstalled();
const { runCommand } = await import("./load/command.ts");
await runCommand();
