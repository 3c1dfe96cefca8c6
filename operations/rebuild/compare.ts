/** Compares what a rebuild has filled with the source, by content and while writes go on, before it takes the live tables' place. */
import { entities } from "../../contracts/entities/index.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { resendDifferences } from "../repair/resend.ts";
import type { ComparisonTarget } from "../verify/comparison-target.ts";
import { confirmDifferences } from "../verify/confirm-differences.ts";
import { type VerifyResult, verify } from "../verify/verify.ts";
import type { VerifyContext } from "../verify/verify-replicas.ts";
import { waitUntilCaughtUp } from "../verify/wait-until-caught-up.ts";

/** The new tables: where they are, and how to bring to them what the log has by now. */
export interface Filled {
  readonly schema: string;
  readonly readOn: () => Promise<void>;
}

export interface CompareOptions {
  /** Send what differs once more, and look at it again. */
  readonly repair: boolean;
  /** How long what was just committed may take to reach the log's end, in milliseconds. */
  readonly timeoutMs: number;
}

/** While the comparison goes through the ranges the new tables follow the log in such steps: what is written meanwhile is little to suspect. */
const READ_ON_EVERY_MS = 500;

/** @returns the result for each entity of the replica. @throws as {@link verify} does. */
export async function compareFilled(
  context: VerifyContext,
  replica: string,
  filled: Filled,
  { repair, timeoutMs }: CompareOptions,
): Promise<VerifyResult[]> {
  const { connections, progress, signal } = context;
  const source = connections.source();
  const targetFor = await filledCopies(context, replica, filled);
  const results: VerifyResult[] = [];
  for (const entity of entities)
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
      await resendDifferences(source, differences, signal, (count) => progress(`${count} that differ sent again …`));
      signal.throwIfAborted();
      const ids = differences.map(({ id }) => id);
      const left = await confirmDifferences(
        { source, target: targetFor(entity, declared) },
        entity,
        declared,
        ids,
        timeoutMs,
      );
      results.push({ ...verified!, ...left, behind: verified!.behind || left.behind });
    }
  return results;
}

async function filledCopies(
  { connections }: VerifyContext,
  replica: string,
  { schema, readOn }: Filled,
): Promise<(entity: EntityDeclaration, declared: ReplicaDeclaration) => ComparisonTarget> {
  const deps = { source: connections.source(), log: await connections.log() };
  const readOnAll = async () => {
    await readOn();
    return true;
  };
  let readAtMs = 0;
  const refresh = async () => {
    if (performance.now() - readAtMs < READ_ON_EVERY_MS) return;
    await readOn();
    readAtMs = performance.now();
  };
  return (entity) => ({
    sql: connections.replica(replica),
    table: `${schema}.${entity.plural}`,
    versions: `${schema}.versions`,
    waitUntilCaughtUp: (timeoutMs) => waitUntilCaughtUp(deps, entity, readOnAll, timeoutMs),
    refresh,
    remedy: "the log does not have them: send everything again (lockstep backfill), then rebuild once more",
  });
}
