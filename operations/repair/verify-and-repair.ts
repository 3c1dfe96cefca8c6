/** Verifies, sends exactly what differs once more, and looks at it again. */
import { connectRedis } from "../connect.ts";
import type { VerbContext } from "../verb.ts";
import type { Difference } from "../verify/difference.ts";
import { saveResults } from "../verify/results.ts";
import type { VerifyResult } from "../verify/verify.ts";
import { type VerifyContext, type VerifyScope, verifyReplicas } from "../verify/verify-replicas.ts";
import { findRemaining, type RemainingDifference, resendDifferences } from "./repair.ts";

export interface RepairResult {
  readonly results: readonly VerifyResult[];
  /** Rows and cached documents that differed. */
  readonly differed: number;
  /** Entities that were sent once more. */
  readonly sent: number;
  /** What still differs; without a reason when nothing was sent. */
  readonly remaining: readonly (RemainingDifference | Difference)[];
}

type RepairContext = Pick<VerbContext, "connections" | "signal"> & Pick<VerifyContext, "progress">;

/**
 * @param options.dryRun sends nothing. @param options.onFound is told before something is sent.
 * @throws as verification does, and when the source or the log does not answer.
 */
export async function verifyAndRepair(
  context: RepairContext,
  scope: VerifyScope,
  options: { readonly dryRun?: boolean; readonly onFound?: (verified: readonly VerifyResult[]) => void } = {},
): Promise<RepairResult> {
  const results = await verifyReplicas(context, scope);
  const differences = results.flatMap((one) => one.differences);
  const differed = differences.length;
  if (differed === 0 || options.dryRun) return { results, differed, sent: 0, remaining: differences };
  options.onFound?.(results);
  const { sent, remaining } = await repair(context, scope, differences);
  if (scope.cache) await rememberRepair(context, results, remaining);
  return { results, differed, sent, remaining };
}

/** What was found before the repair is not what is there now. */
const rememberRepair = (
  { connections }: RepairContext,
  verified: readonly VerifyResult[],
  left: readonly RemainingDifference[],
) =>
  saveResults(
    connections.source(),
    verified.map((one) => ({
      ...one,
      differences: left.filter(({ entity, replica }) => entity === one.entity && replica === one.replica),
    })),
  );

async function repair(
  { connections, progress, signal }: RepairContext,
  scope: VerifyScope,
  differences: readonly Difference[],
): Promise<{ sent: number; remaining: RemainingDifference[] }> {
  const source = connections.source();
  const redis = scope.cache ? connectRedis(connections.addresses.redis) : undefined;
  try {
    const sent = await resendDifferences(source, differences, signal, (count) => progress(`${count} sent …`));
    signal.throwIfAborted();
    progress("waiting until they have arrived …");
    const parts = { source, replica: (name: string) => connections.replica(name), log: await connections.log(), redis };
    return { sent, remaining: await findRemaining(parts, differences, scope.within * 1_000) };
  } finally {
    redis?.disconnect();
  }
}
