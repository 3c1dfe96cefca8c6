/** `lockstep repair`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { runVerb, type VerbContext, type VerbFlags, type VerbResult, verb } from "../verb.ts";
import { exitStatusOf, withScopeOptions } from "../verify/command.ts";
import { differenceLine, reportText } from "../verify/report.ts";
import { verdictOf } from "../verify/verify.ts";
import type { VerifyScope } from "../verify/verify-replicas.ts";
import { type RepairResult, verifyAndRepair } from "./verify-and-repair.ts";

type Flags = VerbFlags & VerifyScope & { readonly dryRun?: boolean };

/** The command `repair`. */
export const repairVerb = (project: Project): Command =>
  withScopeOptions(
    verb(
      "repair",
      "verifies, sends the entities that differ again, and verifies those again; exit status 1 when some still " +
        "differ, 3 when some could not be compared",
    ),
    project,
  )
    .option("--dry-run", "print the differences and send nothing")
    .action(async (flags: Flags) => runVerb(project, flags, (context) => runRepair(context, flags)));

async function runRepair(context: VerbContext, flags: Flags): Promise<VerbResult> {
  const repair = await verifyAndRepair(context, flags, {
    ...(flags.dryRun ? { dryRun: true } : {}),
    onDifferences: (results) => context.print(reportText(results)),
  });
  const { sent, remaining, results, differed } = repair;
  // What the verification found is repaired or remains; what it could not compare is as unknown as before.
  const unknown = results.some((result) => verdictOf({ ...result, differences: [] }) === "unknown");
  const repaired = flags.dryRun ? 0 : differed - remaining.length;
  const document = { sent, repaired, left: remaining, verified: results };
  if (differed > 0 && !flags.dryRun)
    return { text: repairText(repair), document, status: remaining.length > 0 ? 1 : unknown ? 3 : 0 };
  return { text: reportText(results), document, status: exitStatusOf(results) };
}

function repairText({ sent, remaining }: RepairResult): string {
  const outcome = remaining.length === 0 ? "no differences remain" : `${remaining.length} still differ`;
  const lines = remaining.map((one) => ("why" in one ? `${differenceLine(one)}: ${one.why}` : differenceLine(one)));
  return [`${sent} entities sent again; ${outcome}`, ...lines].join("\n");
}
