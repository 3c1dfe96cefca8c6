/** The verbs of operations, for the command line of `lockstep`. */
import type { Command } from "commander";
import type { Project } from "../contracts/project.ts";
import type { LoadRebuild } from "../pipeline/rebuild.ts";
import { backfillVerb } from "./backfill/command.ts";
import { captureVerb } from "./capture/command.ts";
import { deadLettersVerb } from "./dead-letters/command.ts";
import { journeyVerb } from "./journey/command.ts";
import { pauseVerb, resumeVerb } from "./pause/command.ts";
import { rebuildVerb } from "./rebuild/command.ts";
import { repairVerb } from "./repair/command.ts";
import { resyncVerb } from "./resync/command.ts";
import { statusVerb } from "./status/command.ts";
import { verifyVerb } from "./verify/command.ts";

/** One command per verb, in the order of the help text. @param loadRebuild the replicas' part of a rebuild. */
export const verbs = (loadRebuild: LoadRebuild, project: Project): readonly Command[] => [
  statusVerb(project),
  verifyVerb(project),
  repairVerb(project),
  resyncVerb(project),
  backfillVerb(project),
  captureVerb(project),
  rebuildVerb(loadRebuild, project),
  journeyVerb(project),
  deadLettersVerb(project),
  pauseVerb(project),
  resumeVerb(project),
];
