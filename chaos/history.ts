/** What clients saw: the only input of the checkers besides the data at rest. */

interface BaseOperation {
  /** Which client; the operations of one client never overlap. */
  readonly client: string;
  /** Milliseconds since the start of the run, of request and answer. */
  readonly start: number;
  readonly end: number;
  /** Id of the entity; undefined for a create that got no answer. */
  readonly id: string | undefined;
}

/**
 * A write. `rejected`: the answer says that nothing was changed. `unknown`: no answer, or one that does not know, so that
 * it may or may not be committed.
 */
export interface WriteOperation extends BaseOperation {
  readonly kind: "create" | "change" | "delete";
  readonly outcome: "committed" | "rejected" | "unknown";
  /** `sql`: a statement of a client of the source's database. */
  readonly via: "http" | "sql";
  /** HTTP status; undefined without an answer, and by SQL. */
  readonly status: number | undefined;
  /** Members that the write sets, among them a `name` that no other write sets; undefined for a delete. */
  readonly sets: Readonly<Record<string, unknown>> | undefined;
  /** Version that the write required (`If-Match`). */
  readonly requires: number | undefined;
  /** Version that the answer contains. */
  readonly version: number | undefined;
  /** `Sync-Token` of the answer. */
  readonly token: string | undefined;
  /** Replicas that the answer of a waiting write names as up to date (`Lockstep-Replicas`). */
  readonly readableIn: readonly string[];
  /** Idempotency key, if the client sent one; a retry has the key of its first attempt. */
  readonly key: string | undefined;
  /** Body of the answer, for the comparison of retries. */
  readonly body: string | undefined;
}

/** One entity in an answer. A list gives one such operation for each item. */
export interface ReadOperation extends BaseOperation {
  readonly kind: "read";
  readonly replica: string;
  readonly id: string;
  /** `seen`: 200. `absent`: 404. `behind`: refused, because the replica lacks the token's version. */
  readonly outcome: "seen" | "absent" | "behind" | "rejected" | "unknown";
  /** Version in the answer, also of a deleted entity where the answer names it. */
  readonly version: number | undefined;
  /** Where the answer came from. */
  readonly from: "cache" | "database" | "list" | undefined;
  /** Version that the request's `Sync-Token` required. */
  readonly required: number | undefined;
  readonly document: Readonly<Record<string, unknown>> | undefined;
}

/** One request and what came of it. */
export type Operation = WriteOperation | ReadOperation;
