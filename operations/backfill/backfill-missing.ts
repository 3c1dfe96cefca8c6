/** Sends only what a replica has not heard of: compares as a verification does, and sends the rows whose digests the replica lacks. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { ConsumerBackpressure } from "../consumer-backpressure.ts";
import { waitForOutbox } from "../outbox-backpressure.ts";
import { liveTables } from "../verify/comparison-target.ts";
import { FIRST_ID, findDigestMismatches, nextRange, type Range } from "../verify/range.ts";
import { stepRows } from "./backfill.ts";
import { Throttle } from "./throttle.ts";

const RANGE_ROWS = 2_000;

export interface MissingOptions {
  /** Most rows sent per second. */
  readonly rate: number;
  /** Begins after this id. Undefined: at the first row. */
  readonly from: EntityId | undefined;
  readonly backlog: Pick<ConsumerBackpressure, "wait">;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly rows: number; readonly sent: number }) => void;
}

/**
 * It keeps no position: what arrived is not missing any more when it is run again.
 *
 * @returns how many rows were compared and sent, and whether the end was reached. @throws as `backfill` does.
 */
export async function backfillMissing(
  deps: { readonly source: Sql; readonly replica: (name: string) => Sql },
  entity: EntityDeclaration,
  replicas: readonly ReplicaDeclaration[],
  { rate, from, backlog, signal, onProgress }: MissingOptions,
): Promise<{ rows: number; sent: number; finished: boolean }> {
  const { source } = deps;
  const step = stepRows(rate);
  const throttle = new Throttle(rate);
  let rows = 0;
  let sent = 0;
  for (let after = from ?? FIRST_ID, final = false; !final; ) {
    const range: Range = await nextRange(source, entity, after, RANGE_ROWS);
    const missing = new Set<EntityId>();
    for (const { name } of replicas)
      for (const id of await findDigestMismatches(source, liveTables(deps.replica(name), entity), entity, range))
        missing.add(id);
    const ids = [...missing];
    for (let i = 0; i < ids.length; i += step) {
      const part = ids.slice(i, i + step);
      await waitForOutbox(source, step, signal);
      await backlog.wait(signal);
      await throttle.take(part.length, signal);
      if (signal.aborted) return { rows, sent, finished: false };
      const [row] = await source<
        { sent: string }[]
      >`select lockstep.send(${entity.name}, ${listText(part)}::uuid[]) as sent`;
      sent += Number(row!.sent);
    }
    rows += range.rows;
    onProgress({ rows, sent });
    ({ last: after, final } = range);
  }
  return { rows, sent, finished: true };
}
