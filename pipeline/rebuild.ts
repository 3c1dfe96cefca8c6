/**
 * A rebuild crosses two rooms: `replicas` implements this interface, `lockstep.ts` injects it into `operations`.
 */
import type { Project } from "../contracts/project.ts";
import type { Log } from "../kafka/log.ts";

/** How far a rebuild is. */
export interface RebuildProgress {
  /** Records of the log that are in the new tables. */
  readonly done: number;
  /** Records that the log has now. */
  readonly total: number;
}

/** The new tables before they replace the live ones. */
export interface FilledTables {
  /** Schema of the new tables: one per table of an entity, and `versions`. */
  readonly schema: string;
  /**
   * Name of the new table in the schema. It is the live table's, unless that is taken.
   *
   * @param live quoted name of the live table, as declared.
   */
  readonly nameOf: (live: string) => string;
  /** Resolves when the new tables have every record that the log had at the time of the call. */
  readonly catchUp: () => Promise<void>;
}

/** How to rebuild one replica. */
export interface RebuildOptions {
  readonly project: Project;
  readonly databaseUrl: string;
  readonly log: Log;
  /** Interrupts the rebuild; the next one resumes it. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RebuildProgress) => void;
  /**
   * Decides whether to switch, by a comparison with the source. Undefined: the switch happens when the log accounts for
   * every row of the live tables.
   */
  readonly approve?: (filled: FilledTables) => Promise<boolean>;
  /**
   * True: the tables that an earlier rebuild replaced stay, and those that this one replaces are dropped. Default:
   * false, which rejects a rebuild while such tables exist.
   */
  readonly keepOldest?: boolean;
  /** Starts with empty tables instead of resuming an interrupted rebuild. Default: false. */
  readonly restart?: boolean;
}

/** Result of a rebuild. Its members are in the output of `lockstep rebuild --json`. */
export interface RebuildResult {
  /** Records read from the log, those of interrupted runs included. */
  readonly records: number;
  /** Rows of the replica's entities. */
  readonly rows: number;
  /** Duration of filling and switching, without `approve`. */
  readonly seconds: number;
  /** Records that earlier, interrupted runs had already read. */
  readonly resumedAt: number;
  /** Entities whose row the table rejected. */
  readonly refused: number;
  /** False: the new tables were not approved. They stay beside the live ones, and the next run resumes from them. */
  readonly switched: boolean;
}

/** What the replicas' room offers. */
export interface RebuildApi {
  /**
   * Rebuilds all tables of a replica.
   *
   * @throws {UserError} when something has to be removed or repaired first; the message says what.
   * @throws the database's or the log's error. The live tables are unchanged, and the next run resumes.
   */
  rebuild(replica: string, options: RebuildOptions): Promise<RebuildResult>;
  /**
   * Drops the tables that the last rebuild replaced.
   *
   * @returns false when there were none.
   * @throws the database's error.
   */
  dropOldTables(databaseUrl: string): Promise<boolean>;
}

/** Imports {@link RebuildApi} when it is first needed. */
export type LoadRebuild = () => Promise<RebuildApi>;
