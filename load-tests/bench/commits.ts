/** Latency from the commit in the source to the commit in each replica, by the commit timestamps of the databases. */
import type { Sql } from "postgres";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedName, quotedTable } from "../../contracts/entity/table.ts";
import { type Figures, figuresOf } from "./figures.ts";
import replicaCommits from "./replica-commits.sql" with { type: "text" };
import sourceCommits from "./source-commits.sql" with { type: "text" };
import versionCommits from "./version-commits.sql" with { type: "text" };

/** Newest version of an entity in one database, and its commit time there. */
export interface Commit {
  readonly id: string;
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly ms: number;
}

/** Newest versions that the source committed since `fromMs`, in milliseconds since 1970. */
export const readSource = async (
  sql: Sql,
  entity: Pick<EntityDeclaration, "name" | "table" | "key" | "fields" | "version">,
  fromMs: number,
): Promise<Commit[]> => {
  const { name, table, key, fields, version } = entity;
  if (version === undefined) return sql.unsafe<Commit[]>(versionCommits, [name, fromMs]);
  const columns = { only_key: fields[key[0]!]!.column, only_version: fields[version]!.column };
  const text = Object.entries(columns).reduce(
    (query, [placeholder, column]) => query.replace(placeholder, quotedName(column)),
    sourceCommits.replace("only_table", quotedTable(table)),
  );
  return sql.unsafe<Commit[]>(text, [name, fromMs]);
};

/** Newest versions that a replica committed since `fromMs`, in milliseconds since 1970. */
export const readReplica = async (sql: Sql, entity: { name: string }, fromMs: number): Promise<Commit[]> =>
  sql.unsafe<Commit[]>(replicaCommits, [entity.name, fromMs]);

/** A period in milliseconds since 1970. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Milliseconds from commit to commit, for each entity whose newest version was committed in the source within the
 * window and is also the newest in the replica. The commit times of earlier versions are no longer available.
 */
export function latencies(
  source: readonly Commit[],
  replica: readonly Commit[],
  { fromMs, toMs }: TimeWindow,
): Figures {
  const applied = new Map(replica.map((commit) => [commit.id, commit]));
  return figuresOf(
    source.flatMap(({ id, version, ms }) => {
      const commit = applied.get(id);
      return ms >= fromMs && ms <= toMs && commit?.version === version ? [commit.ms - ms] : [];
    }),
  );
}

/** The latest commit time; 0 when there are no commits. */
export const latestMs = (commits: readonly Pick<Commit, "ms">[]): number =>
  commits.reduce((last, { ms }) => Math.max(last, ms), 0);

/** @throws {Error} when a database does not record commit timestamps. */
export async function requireCommitTimestamps(name: string, sql: Sql): Promise<void> {
  const [row] = await sql<{ on: string }[]>`select current_setting('track_commit_timestamp') as "on"`;
  if (row?.on !== "on")
    throw new Error(
      `${name} has track_commit_timestamp off, so latencies cannot be measured: set it to on and restart the database`,
    );
}
