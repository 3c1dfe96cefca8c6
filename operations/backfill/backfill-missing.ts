/** Compares digests as a verification does, and sends only the rows that a replica does not have. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { waitForOutbox } from "../outbox-backpressure.ts";
import { Throttle } from "../throttle.ts";
import { sourceKey } from "../verify/compared-columns.ts";
import { liveTables } from "../verify/comparison-target.ts";
import { compareRange, fill, nextRange, type Range } from "../verify/range.ts";
import { type BackfillOptions, stepRows } from "./backfill.ts";

/** Rows of the source that are compared in one step. */
const RANGE_ROWS = 2_000;

/** Settings and collaborators of one run. `from` starts after an id; undefined starts at the first row. */
export interface MissingOptions extends Omit<BackfillOptions, "onProgress"> {
  readonly onProgress: (progress: { readonly rows: number; readonly sent: number }) => void;
}

/**
 * Compares all rows and sends the missing ones. It stores no position: in the next run, rows that have arrived are
 * equal.
 *
 * @returns the number of rows compared and sent, and whether it reached the last row.
 * @throws {OutboxStuckError} when the outbox does not become shorter.
 * @throws {Error} when the source or a replica's database is unavailable.
 */
export async function backfillMissing(
  deps: { readonly source: Sql; readonly replica: (name: string) => Sql },
  entity: EntityDeclaration,
  replicas: readonly ReplicaDeclaration[],
  { rate, from, backpressure, signal, onProgress }: MissingOptions,
): Promise<{ rows: number; sent: number; finished: boolean }> {
  const { source } = deps;
  const step = stepRows(rate);
  const throttle = new Throttle({ perSecond: rate }, signal);
  const targets = replicas.map((replica) => liveTables(deps.replica(replica.name), entity, replica));
  let rows = 0;
  let sent = 0;
  const key = await sourceKey(source, entity);
  for (let after: EntityId | null | undefined = from; after !== null; ) {
    const range: Range = await nextRange(source, key, after ?? null, RANGE_ROWS);
    const missing = new Set<EntityId>();
    for (const tables of targets)
      for (const id of (await compareRange(source, tables, range)).mismatches) missing.add(id);
    const ids = [...missing];
    for (let i = 0; i < ids.length; i += step) {
      const chunk = ids.slice(i, i + step);
      await waitForOutbox(source, step, signal);
      await backpressure.wait(signal);
      await throttle.wait(chunk.length);
      if (signal.aborted) return { rows, sent, finished: false };
      // Not send: a row that a replica has lost is a duplicate for the stream. Ids without a row are left to repair.
      const [row] = await source.unsafe<{ sent: string }[]>(
        fill(
          "select lockstep.resend($1::text, array(select requested.id from unnest($2::text::text[]) as requested (id) where exists (select from {table} where {requested}))) as sent",
          key,
        ),
        [entity.name, listText(chunk)],
        { prepare: true },
      );
      sent += Number(row!.sent);
    }
    rows += range.ids.length;
    onProgress({ rows, sent });
    after = range.last;
  }
  return { rows, sent, finished: true };
}
