/** The databases that a bench or load test writes to and reads from. */
import type { Sql } from "postgres";

/** One database. */
export interface Database {
  readonly url: string;
  readonly sql: Sql;
}

/** A source and its replicas. */
export interface Databases {
  readonly source: Database;
  readonly replicas: readonly (Database & { readonly name: string })[];
}
