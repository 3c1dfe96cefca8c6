/** Measures when a replica has applied everything that was committed until now. */
import { randomUUIDv7 } from "bun";
import type { Sql } from "postgres";
import { NotYetError, waitFor } from "../../stack/wait-for.ts";
import type { SystemUnderTest } from "./measurement.ts";

/** With this many rows, every partition gets at least one. */
const MARKERS = 50;
const WAIT = { timeoutMs: 300_000, intervalMs: 50 };

/**
 * Inserts marker rows and waits until the replica has them. In each partition they follow everything that the replica
 * missed.
 *
 * @returns seconds until the replica applied its first change, and until it had all markers.
 * @throws {UserError} when the workload has no bulk statements, or that takes more than 300 s.
 */
export async function measureCatchUp({ source, workload }: Pick<SystemUnderTest, "source" | "workload">, replica: Sql) {
  const { entity, bulk } = workload;
  const { insert } = bulk();
  const markers = Array.from({ length: MARKERS }, () => randomUUIDv7());
  const startedAt = performance.now();
  const elapsedSeconds = () => (performance.now() - startedAt) / 1_000;
  const readState = async () => {
    const [row] = await replica<{ lsn: string; applied: number }[]>`
      select pg_current_wal_insert_lsn()::text as lsn, count(*)::int as applied
      from lockstep.versions where entity = ${entity.name} and id = any (${markers}::text[])`;
    return row!;
  };
  const initial = await readState();
  await source.sql.unsafe(insert, [markers]);
  let resumedSeconds: number | undefined;
  await waitFor("the replica to catch up", WAIT, async () => {
    const { lsn, applied } = await readState();
    if (lsn !== initial.lsn) resumedSeconds ??= elapsedSeconds();
    if (applied < MARKERS) throw new NotYetError(`it has ${applied} of ${MARKERS} marker rows`);
  });
  const catchUpSeconds = elapsedSeconds();
  return { resumedSeconds: resumedSeconds ?? catchUpSeconds, catchUpSeconds };
}
