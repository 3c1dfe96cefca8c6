/**
 * The steps of a repair: verify, send the differences again, verify those again. Nothing is sent for an entity whose
 * capture is incomplete.
 */
import type { Project } from "../../contracts/project.ts";
import { captureProblemText, readCaptureProblems } from "../../pipeline/capture-problems.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { connectRedis } from "../connect.ts";
import type { VerbContext } from "../verb.ts";
import type { Difference } from "../verify/difference.ts";
import { saveResults } from "../verify/results.ts";
import type { VerifyResult } from "../verify/verify.ts";
import { type VerifyContext, type VerifyScope, verifyReplicas } from "../verify/verify-replicas.ts";
import { findRemaining, type RemainingDifference } from "./find-remaining.ts";
import { resendDifferences } from "./resend.ts";

/** What a repair found and did. */
export interface RepairResult {
  /** The verification before the repair. */
  readonly results: readonly VerifyResult[];
  /** Rows and cache entries that differed. */
  readonly differed: number;
  /** Entities that were sent again. */
  readonly sent: number;
  /** The differences that remain; without a reason when nothing was sent. */
  readonly remaining: readonly (RemainingDifference | Difference)[];
}

type RepairContext = Pick<VerbContext, "connections" | "project" | "signal"> & Pick<VerifyContext, "progress">;

/**
 * Verifies and repairs everything in `scope`.
 *
 * @param options.dryRun sends nothing.
 * @param options.onDifferences called with the verification's results before anything is sent.
 * @throws {Error} as {@link verifyReplicas}, `resendDifferences` and `findRemaining` do.
 */
export async function verifyAndRepair(
  context: RepairContext,
  scope: VerifyScope,
  options: { readonly dryRun?: boolean; readonly onDifferences?: (results: readonly VerifyResult[]) => void } = {},
): Promise<RepairResult> {
  const results = await verifyReplicas(context, scope);
  const differences = results.flatMap((result) => result.differences);
  const differed = differences.length;
  if (differed === 0 || options.dryRun) return { results, differed, sent: 0, remaining: differences };
  options.onDifferences?.(results);
  const { sent, remaining } = await repair(context, scope, differences);
  if (scope.cache) await saveRepaired(context, results, remaining);
  return { results, differed, sent, remaining };
}

/** Replaces the saved results: the differences before the repair are not the present ones. */
const saveRepaired = (
  { connections }: RepairContext,
  results: readonly VerifyResult[],
  remaining: readonly RemainingDifference[],
) =>
  saveResults(
    connections.source(),
    results.map((result) => ({
      ...result,
      differences: remaining.filter(({ entity, replica }) => entity === result.entity && replica === result.replica),
    })),
  );

async function repair(
  { connections, project, progress, signal }: RepairContext,
  scope: VerifyScope,
  differences: readonly Difference[],
): Promise<{ sent: number; remaining: RemainingDifference[] }> {
  const source = connections.source();
  const redis = scope.cache ? connectRedis(connections.addresses.redis) : undefined;
  try {
    const blocked = await findBlocked(source, project, differences);
    const sendable = differences.filter(({ entity }) => !blocked.some((difference) => difference.entity === entity));
    const sent = await resendDifferences(source, sendable, signal, (count) => progress(`${count} entities sent …`));
    signal.throwIfAborted();
    progress("waiting until the replicas have applied them …");
    const log = await connections.log();
    const deps = {
      source,
      replica: (name: string) => connections.replica(name),
      entities: project.entities,
      log,
      redis,
    };
    return { sent, remaining: [...blocked, ...(await findRemaining(deps, sendable, scope.within * 1_000))] };
  } finally {
    redis?.disconnect();
  }
}

/**
 * Finds the differences of entities whose capture is incomplete. They are not sent: the captured table may not be the one
 * that the source uses, and a row that it lacks would be sent as a delete.
 */
async function findBlocked(
  source: Sql,
  project: Project,
  differences: readonly Difference[],
): Promise<RemainingDifference[]> {
  const problems = await readCaptureProblems(source, project);
  return differences.flatMap((difference) => {
    const problem = problems.find(({ entity }) => entity === difference.entity);
    return problem ? [{ ...difference, why: `it was not sent: ${captureProblemText(problem)}` }] : [];
  });
}
