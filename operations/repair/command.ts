/** `lockstep repair`. */
import type { Command } from "commander";
import { runVerb, type VerbContext, type VerbFlags, type VerbResult, verb } from "../verb.ts";
import { withScopeOptions } from "../verify/command.ts";
import { differenceLine, differencesText, resultsText } from "../verify/report.ts";
import type { VerifyScope } from "../verify/verify-replicas.ts";
import { verifyAndRepair } from "./verify-and-repair.ts";

type Flags = VerbFlags & VerifyScope & { readonly dryRun?: boolean };

export const repairVerb = (): Command =>
  withScopeOptions(
    verb(
      "repair",
      "verifies, sends exactly what differs once more, and verifies that again; exit status 1 when something still differs",
    ),
  )
    .option("--dry-run", "only say what would be sent")
    .action(async (flags: Flags) => runVerb(flags, (context) => told(context, flags)));

async function told(context: VerbContext, flags: Flags): Promise<VerbResult> {
  const foundText = (verified: Parameters<typeof resultsText>[0]) =>
    [resultsText(verified), ...verified.map(differencesText)].filter(Boolean).join("\n");
  const done = await verifyAndRepair(context, flags, {
    ...(flags.dryRun ? { dryRun: true } : {}),
    onFound: (verified) => context.print(foundText(verified)),
  });
  const { sent, remaining, results, differed } = done;
  if (differed === 0 || flags.dryRun) {
    const status = differed === 0 && !results.some(({ behind }) => behind) ? 0 : 1;
    return { text: foundText(results), document: { sent, repaired: 0, left: remaining, verified: results }, status };
  }
  const result = remaining.length === 0 ? "all are equal now" : `${remaining.length} still differ`;
  const lines = remaining.map((one) => ("why" in one ? `${differenceLine(one)}: ${one.why}` : differenceLine(one)));
  const text = [`${sent} sent again; ${result}`, ...lines].join("\n");
  const document = { sent, repaired: differed - remaining.length, left: remaining, verified: results };
  return { text, document, status: remaining.length === 0 ? 0 : 1 };
}
