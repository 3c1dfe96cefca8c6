/** The verbs of operations, for the command line of `lockstep`. */
import type { Command } from "commander";
import { backfillVerb } from "./backfill/command.ts";
import { deadLettersVerb } from "./dead-letters/command.ts";
import { journeyVerb } from "./journey/command.ts";
import { pauseVerb, resumeVerb } from "./pause/command.ts";
import { rebuildVerb } from "./rebuild/command.ts";
import type { Rebuilding } from "./rebuild/rebuild.ts";
import { repairVerb } from "./repair/command.ts";
import { statusVerb } from "./status/command.ts";
import { verifyVerb } from "./verify/command.ts";

/** One command per verb, in the order of the help text. @param rebuilding the rebuild of the replicas' room. */
export const verbs = (rebuilding: Rebuilding): readonly Command[] => [
  statusVerb(),
  verifyVerb(),
  repairVerb(),
  backfillVerb(),
  rebuildVerb(rebuilding),
  journeyVerb(),
  deadLettersVerb(),
  pauseVerb(),
  resumeVerb(),
];
