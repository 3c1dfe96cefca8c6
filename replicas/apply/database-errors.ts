/**
 * What an error of the database says about the changes of its statement. Each error is one of these:
 * - the row's: PostgreSQL rejected the statement, or a rule of the table raised the error, whatever its code is.
 * - the row's or the server's: the statement was in progress when it was cancelled, ran out of resources, or lost its
 *   connection. Only applying each row alone, on a server that accepts others, tells the two apart.
 * - the server's: nothing can be written, or nothing was sent.
 */
import { DatabaseUnavailableError, isBrokenConnection, isUnavailable } from "../../platform/postgres/errors.ts";
import type { Rejection } from "./rejection-tracker.ts";

const SQLSTATE = /^[0-9A-Z]{5}$/;
const READ_ONLY = "25006";
const QUERY_CANCELED = "57014";
const LOCK_NOT_AVAILABLE = "55P03";
/** Disk full, too many connections, the server starts or stops: no row can be the cause. */
const SERVER_ONLY = /^(25006|53100|53300|57P03|57P04|55P03)$/;
/** PL/pgSQL reports this function of its own source as the place of each RAISE. */
const RAISE_ROUTINE = "exec_stmt_raise";
/** What a dead letter shows for a connection that broke: connection_failure. */
const CONNECTION_FAILURE = "08006";

/** Members of an error that PostgreSQL sent. */
interface ServerError {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly routine?: unknown;
  readonly constraint_name?: unknown;
  readonly column_name?: unknown;
  readonly table_name?: unknown;
}

const fieldsOf = (error: unknown): ServerError => (typeof error === "object" && error !== null ? error : {});
const codeOf = (error: unknown): string => String(fieldsOf(error).code ?? "");
const isRaised = (error: unknown): boolean => fieldsOf(error).routine === RAISE_ROUTINE;
/** Codes of lost connections have other lengths, except EPIPE. */
const isFromServer = (error: unknown): boolean => SQLSTATE.test(codeOf(error)) && codeOf(error) !== "EPIPE";

/** True for an error that one row of the statement causes, now and when it is sent again. */
export const isRowsFault = (error: unknown): boolean =>
  isFromServer(error) && (isRaised(error) || !(isUnavailable(error) || codeOf(error) === READ_ONLY));

/** True when the database rejects every write, because it is a standby or was set read-only. */
export const isReadOnly = (error: unknown): boolean => codeOf(error) === READ_ONLY && !isRaised(error);

/** True when another session holds a lock for too long. */
export const isLocked = (error: unknown): boolean => codeOf(error) === LOCK_NOT_AVAILABLE && !isRaised(error);

/** True when the statement ran into its timeout, or a person cancelled it. */
export const isCanceled = (error: unknown): boolean => codeOf(error) === QUERY_CANCELED;

/** True when the server worked on the statement as it failed, so that one of its rows may be the cause. */
export function mayBeRowsFault(error: unknown): boolean {
  if (isRowsFault(error)) return true;
  if (error instanceof DatabaseUnavailableError) return error.sent;
  if (isFromServer(error)) return !SERVER_ONLY.test(codeOf(error));
  return isBrokenConnection(error) && !codeOf(error).startsWith("CONNECT_");
}

/** True when PostgreSQL has answered that it undid the statement. */
export const isUndone = (error: unknown): boolean => isFromServer(error) && fieldsOf(error).severity === "ERROR";

/** The rejection of the only change of a statement that failed with this error. */
export function rejectionOf(error: unknown): Rejection {
  const { constraint_name, column_name, table_name } = fieldsOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: isFromServer(error) ? codeOf(error) : CONNECTION_FAILURE,
    message,
    names: { constraint: `${constraint_name ?? ""}`, column: `${column_name ?? ""}`, table: `${table_name ?? ""}` },
    raised: isRaised(error),
  };
}
