/**
 * What an error of the database says about the changes of its statement. Each error is one of these:
 * - the row's: PostgreSQL rejected the statement, or a rule of the table raised the error (`isRejected`).
 * - the row's or the server's: the statement was in progress when it was cancelled, ran out of resources, or lost its
 *   connection. Only applying each row alone, on a server that accepts others, tells the two apart.
 * - the server's: nothing can be written, or nothing was sent.
 */
import {
  codeOf,
  isLockTimeout,
  isOutcomeUnknown,
  isRaised,
  isRejected,
  isUndone,
} from "../../platform/postgres/errors.ts";
import type { Rejection } from "./rejection-tracker.ts";

/** Read-only, disk full, too many connections, the server starts: no row can be the cause. */
const SERVER_ONLY = ["25006", "53100", "53300", "57P03"];
/** What a dead letter shows for a connection that broke: connection_failure. */
const CONNECTION_FAILURE = "08006";

/** True when the server worked on the statement as it failed, so that one of its rows may be the cause. */
export const mayBeRowsFault = (error: unknown): boolean =>
  isRejected(error) ||
  isOutcomeUnknown(error) ||
  (isUndone(error) && !isLockTimeout(error) && !SERVER_ONLY.includes(codeOf(error)));

/** The rejection of the only change of a statement that failed with this error. */
export function rejectionOf(error: unknown): Rejection {
  const { severity, constraint_name, column_name, table_name } = error as Readonly<Record<string, unknown>>;
  return {
    code: severity === undefined ? CONNECTION_FAILURE : codeOf(error),
    message: error instanceof Error ? error.message : String(error),
    names: { constraint: `${constraint_name ?? ""}`, column: `${column_name ?? ""}`, table: `${table_name ?? ""}` },
    raised: isRaised(error),
  };
}
