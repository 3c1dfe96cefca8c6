/** Every verb of operations, as `lockstep` offers them. */
import type { Command } from "commander";
import { repairVerb } from "./repair/command.ts";
import { verifyVerb } from "./verify/command.ts";

export const verbs = (): readonly Command[] => [verifyVerb(), repairVerb()];
