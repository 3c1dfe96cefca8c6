/** `lockstep verify`. */
import { type Command, InvalidArgumentError } from "commander";
import type { Project } from "../../contracts/project.ts";
import { readCaptureProblems } from "../../pipeline/capture-problems.ts";
import { choiceParser, entityParser, integerParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { captureLine, reportText } from "./report.ts";
import { type VerifyResult, verdictOf } from "./verify.ts";
import { type VerifyScope, verifyReplicas } from "./verify-replicas.ts";

const parseFraction = (value: string): number => {
  const fraction = Number(value);
  if (!(fraction > 0 && fraction <= 1)) throw new InvalidArgumentError("must be above 0 and at most 1");
  return fraction;
};

/** Adds the options that say what verify and repair compare, and how fast. */
export const withScopeOptions = (command: Command, project: Project): Command =>
  command
    .option("--replica <name>", "only this replica", choiceParser("replica", project.replicaNames))
    .option("--entity <name>", "only this entity", entityParser(project))
    .option("--no-cache", "do not compare the caches")
    .option(
      "--every-row",
      "compare every row by content, also where digests are equal: filters and derived fields of all rows",
    )
    .option("--share <fraction>", "part of the time that is spent working; 1 works without pauses", parseFraction, 0.2)
    .option(
      "--within <seconds>",
      "seconds that a replica may take to apply all committed changes before the last comparison",
      integerParser(0, 3_600),
      15,
    );

/** 0: all are equal; 1: something differs; 3: nothing differs, but something could not be compared. */
export function exitStatusOf(results: readonly VerifyResult[]): 0 | 1 | 3 {
  const verdicts = results.map(verdictOf);
  if (verdicts.includes("differs")) return 1;
  return verdicts.includes("unknown") ? 3 : 0;
}

/** The command `verify`. */
export const verifyVerb = (project: Project): Command =>
  withScopeOptions(
    verb(
      "verify",
      "compares source, replicas and caches by content during writes; exit status 1 when they differ, " +
        "3 when some could not be compared",
    ),
    project,
  ).action(async (flags: VerbFlags & VerifyScope) =>
    runVerb(project, flags, async (context) => {
      const verified = await verifyReplicas(context, flags);
      // Read after the comparison: copies that are equal now do not stay equal while changes are not captured.
      const capture = await readCaptureProblems(context.connections.source(), project);
      const status = exitStatusOf(verified);
      return {
        text: [reportText(verified), ...capture.map(captureLine)].join("\n"),
        document: { equal: status === 0, verified, capture },
        status: capture.length > 0 ? 1 : status,
      };
    }),
  );
