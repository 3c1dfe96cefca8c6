/**
 * What the source is compared with: the tables of one entity in one replica, and the wait until they are up to date.
 */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { replicaGroup, replicaTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { offsetCheck, waitUntilCaughtUp } from "./wait-until-caught-up.ts";

/** The tables of one entity in a replica's database. */
export interface ReplicaTables {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
  readonly sql: Sql;
  /** Schema of the tables that a rebuild fills. Undefined: the tables are the declared ones. */
  readonly schema?: string;
  /** The versions table as SQL: `lockstep.versions`, or one of the same form. */
  readonly versions: string;
}

/** Tables that are compared with the source while both change. */
export interface ComparisonTarget extends ReplicaTables {
  /**
   * Waits until everything that was committed in the source before this call is in the tables.
   *
   * @returns false when it was not within `timeoutMs` milliseconds.
   */
  readonly waitUntilCaughtUp: (timeoutMs: number) => Promise<boolean>;
  /** Applies what the log has by now. Undefined for live tables: the replica's own processes do that. */
  readonly refresh?: () => Promise<void>;
  /** What the user can do when there are too many differences to list. */
  readonly remedy: string;
}

/** A replica's live tables. */
export const liveTables = (sql: Sql, entity: EntityDeclaration, replica: ReplicaDeclaration): ReplicaTables => ({
  entity,
  replica,
  sql,
  versions: "lockstep.versions",
});

/** A replica's live tables as a target. The replica's own processes keep them up to date. */
export const liveTarget = (
  deps: { readonly source: Sql; readonly replica: Sql; readonly log: Log },
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
): ComparisonTarget => ({
  ...liveTables(deps.replica, entity, replica),
  waitUntilCaughtUp: (timeoutMs) => {
    const isApplied = offsetCheck(
      deps.log,
      replicaGroup(entity, replica.name),
      replicaTopic(entity, replica.name).name,
    );
    return waitUntilCaughtUp(deps, entity, isApplied, timeoutMs);
  },
  remedy: `rebuild the replica with lockstep rebuild ${replica.name}`,
});
