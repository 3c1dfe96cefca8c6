#!/usr/bin/env bun
/** Entry of `bun run load NAME`. Other modules are imported only after the dependencies are installed. */
import { ensureInstalled } from "../stack/bootstrap.ts";

ensureInstalled();
const { runCommand } = await import("./load/command.ts");
await runCommand();
