/** Compares what a rebuild has filled with the source, by content and while writes go on, before it takes the live tables' place. */
import { entities } from "../../contracts/entities/index.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/entity.ts";
import { resend } from "../repair/repair.ts";
import { caughtUp } from "../verify/barrier.ts";
import { confirm } from "../verify/confirm.ts";
import type { Copy } from "../verify/copy.ts";
import type { Running } from "../verify/scope.ts";
import { type Verified, verify } from "../verify/verify.ts";

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
  context: Running,
  replica: string,
  filled: Filled,
  { repair, timeoutMs }: CompareOptions,
): Promise<Verified[]> {
  const { connections, progress, signal } = context;
  const source = connections.source();
  const copyOf = await filledCopies(context, replica, filled);
  const results: Verified[] = [];
  for (const entity of entities)
    for (const declared of entity.replicas.filter(({ name }) => name === replica)) {
      const onProgress = (compared: { rows: number; entries: number }) =>
        progress(`${entity.plural}: ${compared.rows} rows compared …`, compared);
      const options = { share: 1, timeoutMs, everyRow: false, signal, onProgress };
      const [verified] = await verify({ source, copyOf, redis: undefined }, entity, [declared], options);
      const { differences } = verified!;
      if (!repair || differences.length === 0) {
        results.push(verified!);
        continue;
      }
      await resend(source, differences, signal, (count) => progress(`${count} that differ sent again …`));
      signal.throwIfAborted();
      const ids = differences.map(({ id }) => id);
      const left = await confirm({ source, copy: copyOf(entity, declared) }, entity, declared, ids, timeoutMs);
      results.push({ ...verified!, ...left, behind: verified!.behind || left.behind });
    }
  return results;
}

async function filledCopies(
  { connections }: Running,
  replica: string,
  { schema, readOn }: Filled,
): Promise<(entity: EntityDeclaration, declared: ReplicaDeclaration) => Copy> {
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
    arrived: (timeoutMs) => caughtUp(deps, entity, readOnAll, timeoutMs),
    refresh,
    remedy: "the log does not have them: send everything again (lockstep backfill), then rebuild once more",
  });
}
