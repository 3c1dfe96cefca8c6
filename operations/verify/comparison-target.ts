/** What is compared with the source: the tables of one entity in one replica, and how it is known that everything has arrived there. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { replicaGroup, replicaTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { offsetCheck, waitUntilCaughtUp } from "./wait-until-caught-up.ts";

export interface ReplicaTables {
  readonly sql: Sql;
  /** The entity's table, with its schema where the search path does not find it. */
  readonly table: string;
  /** What the copy has heard of: `lockstep.versions`, or one made like it. */
  readonly versions: string;
}

export interface ComparisonTarget extends ReplicaTables {
  /**
   * Waits until everything that was committed in the source before this call is in the copy.
   *
   * @returns false when that did not happen within the time.
   */
  readonly waitUntilCaughtUp: (timeoutMs: number) => Promise<boolean>;
  /** Brings the copy up to date as far as that is the caller's to do. Undefined: others do. */
  readonly refresh?: () => Promise<void>;
  /** What to do, for people, when so much differs that no list can help. */
  readonly remedy: string;
}

/** A replica's live tables. */
export const liveTables = (replica: Sql, { plural }: EntityDeclaration): ReplicaTables => ({
  sql: replica,
  table: plural,
  versions: "lockstep.versions",
});

/** A replica's live tables as a copy: the replica's own processes bring them what is on its way. */
export const liveTarget = (
  deps: { readonly source: Sql; readonly replica: Sql; readonly log: Log },
  entity: EntityDeclaration,
  { name }: ReplicaDeclaration,
): ComparisonTarget => ({
  ...liveTables(deps.replica, entity),
  waitUntilCaughtUp: (timeoutMs) =>
    waitUntilCaughtUp(
      deps,
      entity,
      offsetCheck(deps.log, replicaGroup(name), replicaTopic(entity, name).name),
      timeoutMs,
    ),
  remedy: `rebuild it (lockstep rebuild ${name})`,
});
