/** Reads a replica's database, and tells a replica that cannot be read from one that differs. */
import { UserError } from "../../contracts/errors.ts";
import type { ReplicaTables } from "./comparison-target.ts";

/** A replica cannot be read, so it is not known whether it is equal. */
export class ReplicaUnreadableError extends UserError {
  constructor(
    replica: string,
    /** What is wrong, without the replica's name. */
    readonly problem: string,
    options?: ErrorOptions,
  ) {
    super(`${replica} cannot be compared: ${problem}`, "REPLICA_UNREADABLE", options);
  }
}

/** Runs one statement in the replica's database. @throws {ReplicaUnreadableError} for whatever the database reports. */
export async function queryReplica<Row extends object>(
  { sql, replica }: ReplicaTables,
  text: string,
  parameters: readonly string[],
): Promise<Row[]> {
  try {
    return await sql.unsafe<Row[]>(text, [...parameters], { prepare: true });
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new ReplicaUnreadableError(replica.name, problem, { cause });
  }
}
