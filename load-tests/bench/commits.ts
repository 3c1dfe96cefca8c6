/** From commit in the source to commit in each replica, by what the databases themselves remember. */
import type { Sql } from "postgres";
import { type Figures, figuresOf } from "./figures.ts";
import replicaCommits from "./replica-commits.sql" with { type: "text" };
import sourceCommits from "./source-commits.sql" with { type: "text" };

/** Newest version of one entity in one database, and when it was committed there, in milliseconds since 1970. */
export interface Commit {
  readonly id: string;
  readonly version: number;
  readonly ms: number;
}

export const readSource = async (
  sql: Sql,
  entity: { name: string; plural: string },
  fromMs: number,
): Promise<Commit[]> =>
  sql.unsafe<(Commit & { deleted: boolean })[]>(sourceCommits.replace("only_table", entity.plural), [
    entity.name,
    fromMs,
  ]);

export const readReplica = async (sql: Sql, entity: { name: string }, fromMs: number): Promise<Commit[]> =>
  sql.unsafe<Commit[]>(replicaCommits, [entity.name, fromMs]);

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Milliseconds from commit to commit, one for each entity whose newest version was committed in the source within the
 * window and is the one that the replica applied last. Earlier versions of the same entity cannot be asked for any more.
 */
export function latencies(source: readonly Commit[], replica: readonly Commit[], { fromMs, toMs }: Window): Figures {
  const applied = new Map(replica.map((commit) => [commit.id, commit]));
  return figuresOf(
    source.flatMap(({ id, version, ms }) => {
      const there = applied.get(id);
      return ms >= fromMs && ms <= toMs && there?.version === version ? [there.ms - ms] : [];
    }),
  );
}

/** When the last of these was committed; 0 when there are none. */
export const lastOf = (commits: readonly Pick<Commit, "ms">[]): number =>
  commits.reduce((last, { ms }) => Math.max(last, ms), 0);

/** @throws {Error} when a database does not remember when it committed. */
export async function requireCommitTimestamps(name: string, sql: Sql): Promise<void> {
  const [row] = await sql<{ on: string }[]>`select current_setting('track_commit_timestamp') as "on"`;
  if (row?.on !== "on") throw new Error(`${name} has track_commit_timestamp off: latencies cannot be measured`);
}
