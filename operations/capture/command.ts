/** `lockstep capture`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { captureProblemText } from "../../pipeline/capture-problems.ts";
import { runVerb, type VerbFlags, type VerbResult, verb } from "../verb.ts";
import { type CaptureResult, repairCapture } from "./repair-capture.ts";

/** The command `capture`. */
export const captureVerb = (project: Project): Command =>
  verb(
    "capture",
    "checks whether every change of the source is captured, and repairs the triggers; exit status 1 when problems remain",
  )
    .option("--dry-run", "only check")
    .action(async (flags: VerbFlags & { readonly dryRun?: boolean }) =>
      runVerb(project, flags, async ({ connections }) =>
        resultOf(await repairCapture(connections.source(), project, flags)),
      ),
    );

function resultOf(result: CaptureResult): VerbResult {
  const { repaired, failed, problems } = result;
  const isWhole = problems.length === 0;
  const lines = [
    ...repaired.map((entity) => `the table of ${entity} is captured again`),
    ...failed.map(({ entity, reason }) => `! the table of ${entity} could not be captured: ${reason}`),
    ...problems.map((problem) => `! ${captureProblemText(problem)}`),
    isWhole ? "every change is captured" : "",
    repaired.length > 0 ? "replicas lack the changes that were made meanwhile: run lockstep repair" : "",
  ];
  return { text: lines.filter(Boolean).join("\n"), document: result, status: isWhole ? 0 : 1 };
}
