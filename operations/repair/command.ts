/** `lockstep repair`. */
import type { Command } from "commander";
import { runVerb, type VerbFlags, verb } from "../verb.ts";
import { type Scope, scoped, verifyScope } from "../verify/command.ts";
import { differencesText, verifiedText } from "../verify/report.ts";
import { resend, stillDiffering } from "./repair.ts";

export const repairVerb = (): Command =>
  scoped(
    verb(
      "repair",
      "verifies, sends exactly what differs once more, and verifies that again; exit status 1 when something still differs",
    ),
  )
    .option("--dry-run", "only say what would be sent")
    .action(async (flags: VerbFlags & Scope & { readonly dryRun?: boolean }) =>
      runVerb(flags, async (context) => {
        const { connections, progress, say } = context;
        const verified = await verifyScope(context, flags);
        const differences = verified.flatMap((one) => one.differences);
        const found = [verifiedText(verified), ...verified.map(differencesText)].filter(Boolean).join("\n");
        if (differences.length === 0 || flags.dryRun) {
          const status = differences.length === 0 && !verified.some(({ behind }) => behind) ? 0 : 1;
          return { text: found, document: { repaired: 0, left: differences, verified }, status };
        }
        say(found);
        const source = connections.source();
        const sent = await resend(source, differences, (count) => progress(`${count} of ${differences.length} sent …`));
        progress("waiting until they have arrived …");
        const parts = { source, replica: (name: string) => connections.replica(name), log: await connections.log() };
        const left = await stillDiffering(parts, differences, flags.within * 1_000);
        const result = `${sent} sent again; ${left.length === 0 ? "all are equal now" : `${left.length} still differ`}`;
        const text = [result, differencesText({ ...verified[0]!, differences: left })].filter(Boolean).join("\n");
        return {
          text,
          document: { repaired: differences.length - left.length, left, verified },
          status: left.length === 0 ? 0 : 1,
        };
      }),
    );
