/** Every verb of operations, as `lockstep` offers them. */
import type { Command } from "commander";

export const verbs = (): readonly Command[] => [];
