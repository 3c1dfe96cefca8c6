/** When a replica has all that was committed until now. */
import { randomUUIDv7 } from "bun";
import type { Sql } from "postgres";
import insertText from "./bulk-insert.sql" with { type: "text" };
import { entity } from "./product.ts";

/** So many ids fall into every partition. */
const MARKERS = 50;
const LOOK_EVERY_MS = 50;
const WITHIN_MS = 300_000;

/**
 * Resolves when the replica has what is written now: in each partition that comes after all that it missed.
 *
 * @returns seconds until it applied anything, and until it had it.
 * @throws {Error} when that takes more than 300 s.
 */
export async function caughtUp(source: Sql, replica: Sql) {
  const markers = Array.from({ length: MARKERS }, () => randomUUIDv7());
  const begun = performance.now();
  const since = () => (performance.now() - begun) / 1_000;
  const look = async () => {
    const [row] = await replica<{ lsn: string; shown: number }[]>`
      select pg_current_wal_insert_lsn()::text as lsn, count(*)::int as shown
      from lockstep.versions where entity = ${entity.name} and id = any (${markers}::uuid[])`;
    return row!;
  };
  const before = await look();
  await source.unsafe(insertText, [markers]);
  let resumedSeconds: number | undefined;
  for (;;) {
    const { lsn, shown } = await look();
    if (resumedSeconds === undefined && lsn !== before.lsn) resumedSeconds = since();
    if (shown === MARKERS) return { resumedSeconds: resumedSeconds ?? since(), catchUpSeconds: since() };
    if (performance.now() - begun > WITHIN_MS) throw new Error("the replica did not catch up within 300 s");
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
