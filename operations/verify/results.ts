/** The last verification of each replica, kept in the source's database. */
import type { Sql } from "../../platform/postgres/connect.ts";
import { type DifferenceKind, differenceKinds } from "./difference.ts";
import type { VerifyResult } from "./verify.ts";

export interface LastVerification {
  readonly entity: string;
  readonly replica: string;
  readonly at: Date;
  readonly seconds: number;
  readonly rows: number;
  /** How many of each kind differed; empty when the two were equal. */
  readonly differing: Partial<Record<DifferenceKind, number>>;
  readonly behind: boolean;
}

/** How many differ in each way; ways that did not occur are left out. */
export function countByKind({ differences }: VerifyResult): Partial<Record<DifferenceKind, number>> {
  const counts = differenceKinds.map((kind) => [kind, differences.filter((d) => d.kind === kind).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** Puts results in the place of those before. @throws when the source does not answer. */
export async function saveResults(source: Sql, verified: readonly VerifyResult[]): Promise<void> {
  for (const one of verified)
    await source`
      insert into lockstep.verifications (entity, replica, at, seconds, rows, differing, behind)
      values (${one.entity}, ${one.replica}, now(), ${one.seconds}, ${one.rows}, ${JSON.stringify(countByKind(one))}::text::jsonb, ${one.behind})
      on conflict (entity, replica) do update set at = excluded.at, seconds = excluded.seconds, rows = excluded.rows,
        differing = excluded.differing, behind = excluded.behind`;
}

/** @throws {Error} when the source does not answer. */
export async function readLastVerifications(source: Sql): Promise<LastVerification[]> {
  const rows = await source<(Omit<LastVerification, "rows"> & { rows: string })[]>`
    select entity, replica, at, seconds, rows, differing, behind from lockstep.verifications order by entity, replica`;
  return rows.map((row) => ({ ...row, rows: Number(row.rows) }));
}
