/** `lockstep repair`. */
import type { Command } from "commander";
import { connectRedis } from "../connect.ts";
import { runVerb, type VerbContext, type VerbFlags, type VerbResult, verb } from "../verb.ts";
import { scoped } from "../verify/command.ts";
import type { Difference } from "../verify/difference.ts";
import { differencesText, lineOf, verifiedText } from "../verify/report.ts";
import { remember } from "../verify/results.ts";
import { type Scope, verifyScope } from "../verify/scope.ts";
import type { Verified } from "../verify/verify.ts";
import { type Left, resend, stillDiffering } from "./repair.ts";

type Flags = VerbFlags & Scope & { readonly dryRun?: boolean };

export const repairVerb = (): Command =>
  scoped(
    verb(
      "repair",
      "verifies, sends exactly what differs once more, and verifies that again; exit status 1 when something still differs",
    ),
  )
    .option("--dry-run", "only say what would be sent")
    .action(async (flags: Flags) => runVerb(flags, (context) => verifyAndRepair(context, flags)));

async function verifyAndRepair(context: VerbContext, flags: Flags): Promise<VerbResult> {
  const verified = await verifyScope(context, flags);
  const differences = verified.flatMap((one) => one.differences);
  const found = [verifiedText(verified), ...verified.map(differencesText)].filter(Boolean).join("\n");
  if (differences.length === 0 || flags.dryRun) {
    const status = differences.length === 0 && !verified.some(({ behind }) => behind) ? 0 : 1;
    return { text: found, document: { sent: 0, repaired: 0, left: differences, verified }, status };
  }
  context.say(found);
  const { sent, left } = await repair(context, flags, differences);
  const repaired = differences.length - left.length;
  if (flags.cache) await rememberRepair(context, verified, left);
  const result = left.length === 0 ? "all are equal now" : `${left.length} still differ`;
  const lines = left.map((one) => `${lineOf(one)}: ${one.why}`);
  const text = [`${sent} sent again; ${result}`, ...lines].join("\n");
  return { text, document: { sent, repaired, left, verified }, status: left.length === 0 ? 0 : 1 };
}

/** What was found before the repair is not what is there now. */
const rememberRepair = ({ connections }: VerbContext, verified: readonly Verified[], left: readonly Left[]) =>
  remember(
    connections.source(),
    verified.map((one) => ({
      ...one,
      differences: left.filter(({ entity, replica }) => entity === one.entity && replica === one.replica),
    })),
  );

async function repair(
  { connections, progress, signal }: VerbContext,
  flags: Flags,
  differences: readonly Difference[],
): Promise<{ sent: number; left: Left[] }> {
  const source = connections.source();
  const redis = flags.cache ? connectRedis(connections.addresses.redis) : undefined;
  try {
    const sent = await resend(source, differences, signal, (count) => progress(`${count} sent …`));
    signal.throwIfAborted();
    progress("waiting until they have arrived …");
    const parts = { source, replica: (name: string) => connections.replica(name), log: await connections.log(), redis };
    return { sent, left: await stillDiffering(parts, differences, flags.within * 1_000) };
  } finally {
    redis?.disconnect();
  }
}
