/** `lockstep repair`. */
import type { Command } from "commander";
import { runVerb, type VerbContext, type VerbFlags, type VerbResult, verb } from "../verb.ts";
import { scoped } from "../verify/command.ts";
import { differencesText, lineOf, verifiedText } from "../verify/report.ts";
import type { Scope } from "../verify/scope.ts";
import { verifyAndRepair } from "./verify-and-repair.ts";

type Flags = VerbFlags & Scope & { readonly dryRun?: boolean };

export const repairVerb = (): Command =>
  scoped(
    verb(
      "repair",
      "verifies, sends exactly what differs once more, and verifies that again; exit status 1 when something still differs",
    ),
  )
    .option("--dry-run", "only say what would be sent")
    .action(async (flags: Flags) => runVerb(flags, (context) => told(context, flags)));

async function told(context: VerbContext, flags: Flags): Promise<VerbResult> {
  const foundText = (verified: Parameters<typeof verifiedText>[0]) =>
    [verifiedText(verified), ...verified.map(differencesText)].filter(Boolean).join("\n");
  const done = await verifyAndRepair(context, flags, {
    ...(flags.dryRun ? { dryRun: true } : {}),
    onFound: (verified) => context.say(foundText(verified)),
  });
  const { sent, left, verified, differed } = done;
  if (differed === 0 || flags.dryRun) {
    const status = differed === 0 && !verified.some(({ behind }) => behind) ? 0 : 1;
    return { text: foundText(verified), document: { sent, repaired: 0, left, verified }, status };
  }
  const result = left.length === 0 ? "all are equal now" : `${left.length} still differ`;
  const lines = left.map((one) => ("why" in one ? `${lineOf(one)}: ${one.why}` : lineOf(one)));
  const text = [`${sent} sent again; ${result}`, ...lines].join("\n");
  const document = { sent, repaired: differed - left.length, left, verified };
  return { text, document, status: left.length === 0 ? 0 : 1 };
}
