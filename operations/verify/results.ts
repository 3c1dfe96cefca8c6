/** The last verification of each replica, kept in the source's database. */
import type { Sql } from "../../platform/postgres/connect.ts";
import { type Kind, kinds } from "./difference.ts";
import type { Verified } from "./verify.ts";

export interface LastVerification {
  readonly entity: string;
  readonly replica: string;
  readonly at: Date;
  readonly seconds: number;
  readonly rows: number;
  /** How many of each kind differed; empty when the two were equal. */
  readonly differing: Partial<Record<Kind, number>>;
  readonly behind: boolean;
}

/** How many differ in each way; ways that did not occur are left out. */
export function countsOf({ differences }: Verified): Partial<Record<Kind, number>> {
  const counts = kinds.map((kind) => [kind, differences.filter((d) => d.kind === kind).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** Puts results in the place of those before. @throws when the source does not answer. */
export async function remember(source: Sql, verified: readonly Verified[]): Promise<void> {
  for (const one of verified)
    await source`
      insert into lockstep.verifications (entity, replica, at, seconds, rows, differing, behind)
      values (${one.entity}, ${one.replica}, now(), ${one.seconds}, ${one.rows}, ${JSON.stringify(countsOf(one))}::text::jsonb, ${one.behind})
      on conflict (entity, replica) do update set at = excluded.at, seconds = excluded.seconds, rows = excluded.rows,
        differing = excluded.differing, behind = excluded.behind`;
}

/** @throws {Error} when the source does not answer. */
export async function lastVerifications(source: Sql): Promise<LastVerification[]> {
  const rows = await source<(Omit<LastVerification, "rows"> & { rows: string })[]>`
    select entity, replica, at, seconds, rows, differing, behind from lockstep.verifications order by entity, replica`;
  return rows.map((row) => ({ ...row, rows: Number(row.rows) }));
}
