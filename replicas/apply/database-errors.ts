/**
 * What an error of the database says about the changes of its statement. Each error is one of these:
 * - the row's: PostgreSQL rejected the statement, or a rule of the table raised the error (`isRejected`).
 * - the row's or the server's: the statement was in progress when it was cancelled, ran out of resources, or lost its
 *   connection. Only applying each row alone, on a server that accepts others, tells the two apart.
 * - the server's: nothing can be written, or nothing was sent.
 */
import { isOutcomeUnknown, isRaised, isRejected } from "../../platform/postgres/errors.ts";
import type { Rejection } from "./rejection-tracker.ts";

const QUERY_CANCELED = "57014";
const LOCK_NOT_AVAILABLE = "55P03";
/** Read-only, disk full, too many connections, the server starts, a lock: no row can be the cause. */
const SERVER_ONLY = ["25006", "53100", "53300", "57P03", LOCK_NOT_AVAILABLE];
/** What a dead letter shows for a connection that broke: connection_failure. */
const CONNECTION_FAILURE = "08006";

/** Members of an error that PostgreSQL sent. */
interface ServerError {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly constraint_name?: unknown;
  readonly column_name?: unknown;
  readonly table_name?: unknown;
}

const fieldsOf = (error: unknown): ServerError => (typeof error === "object" && error !== null ? error : {});
const codeOf = (error: unknown): string => String(fieldsOf(error).code ?? "");

/** True when another session holds a lock for too long. */
export const isLocked = (error: unknown): boolean => codeOf(error) === LOCK_NOT_AVAILABLE && !isRaised(error);

/** True when the statement ran into its timeout, or a person cancelled it. */
export const isCanceled = (error: unknown): boolean => codeOf(error) === QUERY_CANCELED && !isRaised(error);

/** True when PostgreSQL has answered that it undid the statement. */
export const isUndone = (error: unknown): boolean => fieldsOf(error).severity === "ERROR";

/** True when the server worked on the statement as it failed, so that one of its rows may be the cause. */
export const mayBeRowsFault = (error: unknown): boolean =>
  isRejected(error) || isOutcomeUnknown(error) || (isUndone(error) && !SERVER_ONLY.includes(codeOf(error)));

/** The rejection of the only change of a statement that failed with this error. */
export function rejectionOf(error: unknown): Rejection {
  const { severity, constraint_name, column_name, table_name } = fieldsOf(error);
  return {
    code: severity === undefined ? CONNECTION_FAILURE : codeOf(error),
    message: error instanceof Error ? error.message : String(error),
    names: { constraint: `${constraint_name ?? ""}`, column: `${column_name ?? ""}`, table: `${table_name ?? ""}` },
    raised: isRaised(error),
  };
}
