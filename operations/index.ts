/** The verbs of operations, for the command line of `lockstep`. */
import type { Command } from "commander";
import type { Project } from "../contracts/project.ts";
import type { LoadRebuild } from "../pipeline/rebuild.ts";
import type { LoadSourceMigrations } from "../pipeline/source-migrations.ts";
import { adoptVerb } from "./adopt/command.ts";
import { backfillVerb } from "./backfill/command.ts";
import { captureVerb } from "./capture/command.ts";
import { deadLettersVerb } from "./dead-letters/command.ts";
import { doctorVerb } from "./doctor/command.ts";
import { fillVerb } from "./fill/command.ts";
import { journeyVerb } from "./journey/command.ts";
import { pauseVerb, resumeVerb } from "./pause/command.ts";
import { rebuildVerb } from "./rebuild/command.ts";
import { repairVerb } from "./repair/command.ts";
import { resyncVerb } from "./resync/command.ts";
import { statusVerb } from "./status/command.ts";
import { takeOverVerb } from "./take-over/command.ts";
import { unadoptVerb } from "./unadopt/command.ts";
import { verifyVerb } from "./verify/command.ts";

/**
 * One command per verb, in the order of the help text.
 *
 * @param loadRebuild the replicas' part of a rebuild.
 * @param loadMigrations the gateway's part of an adoption.
 */
export const verbs = (
  loadRebuild: LoadRebuild,
  project: Project,
  loadMigrations: LoadSourceMigrations,
): readonly Command[] => [
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
  adoptVerb(loadMigrations, project),
  unadoptVerb(project),
  doctorVerb(loadMigrations, project),
  fillVerb(project),
  takeOverVerb(project),
];
