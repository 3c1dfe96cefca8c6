/** Verifies, sends exactly what differs once more, and looks at it again. */
import { connectRedis } from "../connect.ts";
import type { VerbContext } from "../verb.ts";
import type { Difference } from "../verify/difference.ts";
import { remember } from "../verify/results.ts";
import { type Scope, type Running as VerifyContext, verifyScope } from "../verify/scope.ts";
import type { Verified } from "../verify/verify.ts";
import { type Left, resend, stillDiffering } from "./repair.ts";

export interface Repaired {
  readonly verified: readonly Verified[];
  /** Rows and cached documents that differed. */
  readonly differed: number;
  /** Entities that were sent once more. */
  readonly sent: number;
  /** What still differs; without a reason when nothing was sent. */
  readonly left: readonly (Left | Difference)[];
}

type RepairContext = Pick<VerbContext, "connections" | "signal"> & Pick<VerifyContext, "progress">;

/**
 * @param options.dryRun sends nothing. @param options.onFound is told before something is sent.
 * @throws as verification does, and when the source or the log does not answer.
 */
export async function verifyAndRepair(
  context: RepairContext,
  scope: Scope,
  options: { readonly dryRun?: boolean; readonly onFound?: (verified: readonly Verified[]) => void } = {},
): Promise<Repaired> {
  const verified = await verifyScope(context, scope);
  const differences = verified.flatMap((one) => one.differences);
  const differed = differences.length;
  if (differed === 0 || options.dryRun) return { verified, differed, sent: 0, left: differences };
  options.onFound?.(verified);
  const { sent, left } = await repair(context, scope, differences);
  if (scope.cache) await rememberRepair(context, verified, left);
  return { verified, differed, sent, left };
}

/** What was found before the repair is not what is there now. */
const rememberRepair = ({ connections }: RepairContext, verified: readonly Verified[], left: readonly Left[]) =>
  remember(
    connections.source(),
    verified.map((one) => ({
      ...one,
      differences: left.filter(({ entity, replica }) => entity === one.entity && replica === one.replica),
    })),
  );

async function repair(
  { connections, progress, signal }: RepairContext,
  scope: Scope,
  differences: readonly Difference[],
): Promise<{ sent: number; left: Left[] }> {
  const source = connections.source();
  const redis = scope.cache ? connectRedis(connections.addresses.redis) : undefined;
  try {
    const sent = await resend(source, differences, signal, (count) => progress(`${count} sent …`));
    signal.throwIfAborted();
    progress("waiting until they have arrived …");
    const parts = { source, replica: (name: string) => connections.replica(name), log: await connections.log(), redis };
    return { sent, left: await stillDiffering(parts, differences, scope.within * 1_000) };
  } finally {
    redis?.disconnect();
  }
}
