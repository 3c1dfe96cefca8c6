/** Compares a rebuild's new tables with the source by content, while writes continue, before the switch. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { FilledTables } from "../../pipeline/rebuild.ts";
import { resendDifferences } from "../repair/resend.ts";
import type { ComparisonTarget } from "../verify/comparison-target.ts";
import { confirmDifferences } from "../verify/confirm-differences.ts";
import { type VerifyResult, verify } from "../verify/verify.ts";
import type { VerifyContext } from "../verify/verify-replicas.ts";
import { waitUntilCaughtUp } from "../verify/wait-until-caught-up.ts";

/** Options of {@link compareFilled}. */
export interface CompareOptions {
  /** Resend what differs, and compare it again. */
  readonly repair: boolean;
  /** How long a committed change may take to reach the log, in milliseconds. */
  readonly timeoutMs: number;
}

/** Time between two catch-ups of the new tables: the fresher they are, the fewer differences are in flight. */
const CATCH_UP_INTERVAL_MS = 500;

/** Compares all entities of a replica. @returns a result for each entity. @throws as {@link verify} does. */
export async function compareFilled(
  context: VerifyContext,
  replica: string,
  filled: FilledTables,
  { repair, timeoutMs }: CompareOptions,
): Promise<VerifyResult[]> {
  const { connections, progress, signal } = context;
  const source = connections.source();
  const targetFor = await filledTargets(context, replica, filled);
  const results: VerifyResult[] = [];
  for (const entity of context.project.entities)
    for (const declared of entity.replicas.filter(({ name }) => name === replica)) {
      const onProgress = (compared: { rows: number; entries: number }) =>
        progress(`${entity.plural}: ${compared.rows} rows compared …`, compared);
      const options = { share: 1, timeoutMs, everyRow: false, signal, onProgress };
      const [verified] = await verify({ source, targetFor, redis: undefined }, entity, [declared], options);
      const { differences } = verified!;
      if (!repair || differences.length === 0) {
        results.push(verified!);
        continue;
      }
      await resendDifferences(source, differences, signal, (count) => progress(`${count} differing entities resent …`));
      signal.throwIfAborted();
      const ids = differences.map(({ id }) => id);
      const left = await confirmDifferences(source, targetFor(entity, declared), ids, timeoutMs);
      results.push({ ...verified!, ...left, behind: verified!.behind || left.behind });
    }
  return results;
}

async function filledTargets(
  { connections }: VerifyContext,
  replica: string,
  { schema, catchUp }: FilledTables,
): Promise<(entity: EntityDeclaration, declared: ReplicaDeclaration) => ComparisonTarget> {
  const deps = { source: connections.source(), log: await connections.log() };
  const catchUpFully = async () => {
    await catchUp();
    return true;
  };
  let caughtUpAt = 0;
  const refresh = async () => {
    if (performance.now() - caughtUpAt < CATCH_UP_INTERVAL_MS) return;
    await catchUp();
    caughtUpAt = performance.now();
  };
  return (entity, declared) => ({
    entity,
    replica: declared,
    sql: connections.replica(replica),
    schema,
    versions: `${schema}.versions`,
    waitUntilCaughtUp: (timeoutMs) => waitUntilCaughtUp(deps, entity, catchUpFully, timeoutMs),
    refresh,
    remedy: "the log does not have these rows; run lockstep resync, which sends all of them again",
  });
}
