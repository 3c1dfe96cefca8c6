/**
 * What an error of PostgreSQL, of postgres.js or of the network says about a statement.
 *
 * PostgreSQL answers a failed statement with severity ERROR: the statement is undone and the connection goes on. The
 * statement itself is the cause, unless the SQLSTATE is on the short list of those that concern the server. With
 * severity FATAL or PANIC the session ends, or never begins.
 */
import { LockstepError } from "../../contracts/errors.ts";

/** The database did not respond in time, or too many statements are pending. */
export class DatabaseUnavailableError extends LockstepError {
  /** @param sent false: the statement was not executed and will not be; true: its outcome is unknown. */
  constructor(
    message: string,
    readonly sent: boolean,
  ) {
    super("DATABASE_UNAVAILABLE", message);
  }
}

/**
 * SQLSTATEs that concern the server or other transactions, so that the same statement may succeed later. The list is
 * closed: any other SQLSTATE concerns the statement's own rows.
 *
 * @see https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
const SERVER_STATES: Readonly<Record<string, string>> = {
  "08000": "connection exception: a server that the statement needs, such as a foreign server",
  "08001": "unable to connect to a server that the statement needs",
  "08003": "connection does not exist",
  "08004": "connection rejected by a server that the statement needs",
  "08006": "connection failure",
  "25006": "read-only transaction: the server is a standby, or accepts no writes",
  "40001": "serialization failure",
  "40P01": "deadlock detected",
  "53000": "insufficient resources",
  "53100": "disk full",
  "53200": "out of memory",
  "53300": "too many connections",
  "55P03": "lock not available",
  "57014": "query canceled, for example by statement_timeout",
  "57P01": "administrator shutdown",
  "57P02": "crash shutdown",
  "57P03": "cannot connect now",
  "58030": "I/O error",
};

/** Codes of postgres.js and the operating system for a connection that cannot be opened or was lost. */
const NOT_CONNECTED = /^(CONNECT|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT)/;
/** The same, for a connection that was open: a statement that was sent on it may have been committed. */
const LOST_CONNECTION = /^(CONNECTION_CLOSED|CONNECTION_DESTROYED|ECONNRESET|EPIPE)/;
/** SQLSTATEs that end a session in the middle of its work. Other FATAL errors reject the session before it begins. */
const SESSION_ENDED = /^(08|25P0|57P0[1245])/;
/** Functions of PL/pgSQL that raise an error because the code of a trigger or function asks for it. */
const RAISING = ["exec_stmt_raise", "exec_stmt_assert"];

/** Members of an error that PostgreSQL sent. */
interface ServerError {
  readonly code: string;
  readonly severity: string;
  /** Name of the C function that reported the error. */
  readonly routine?: string;
}

/** True for an error that concerns the database's state, not the statement: the same statement may succeed later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError || isConnectionError(error)) return true;
  return isServerError(error) && error.code in SERVER_STATES && !isRaised(error);
}

/** True when the database undid the statement because of its own rows: it fails again until data or schema change. */
export const isRejected = (error: unknown): boolean => isServerError(error) && !isUnavailable(error);

/**
 * True when code of a trigger or function raised the error on purpose, with `RAISE` or `ASSERT`. It may choose any
 * SQLSTATE, also one that means something else when the server reports it.
 */
export const isRaised = (error: unknown): boolean => isServerError(error) && RAISING.includes(error.routine ?? "");

/** True when the server accepts no writes: it is a standby, or `default_transaction_read_only` is on. */
export const isReadOnly = (error: unknown): boolean => codeOf(error) === "25006" && !isRaised(error);

/** True when another session held a lock for longer than `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean => codeOf(error) === "55P03" && !isRaised(error);

/** True when the statement ran into `statement_timeout`, or a person cancelled it. */
export const isCanceled = (error: unknown): boolean => codeOf(error) === "57014" && !isRaised(error);

/** True when PostgreSQL answered that it undid the statement, and the connection goes on. */
export const isUndone = (error: unknown): boolean => isServerError(error) && error.severity === "ERROR";

/** True when a connection was lost or could not be opened, for a reason of the network or of the server. */
export function isConnectionError(error: unknown): boolean {
  if (isServerError(error)) return endsSession(error);
  return !(error instanceof DatabaseUnavailableError) && NOT_CONNECTED.test(codeOf(error));
}

/** True when the connection was lost after the statement was sent: it may have been committed. */
export function isOutcomeUnknown(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return error.sent;
  if (isServerError(error)) return endsSession(error) && SESSION_ENDED.test(error.code);
  return LOST_CONNECTION.test(codeOf(error));
}

/** True when the connection of the statement broke, or could not be opened in time. */
export const isBrokenConnection = (error: unknown): boolean =>
  codeOf(error) === "CONNECT_TIMEOUT" || (!(error instanceof DatabaseUnavailableError) && isOutcomeUnknown(error));

/** `severity` is what tells an answer of PostgreSQL from an error of the network or of this program. */
const isServerError = (error: unknown): error is ServerError =>
  typeof (error as Partial<ServerError> | null)?.severity === "string" && codeOf(error) !== "";

const endsSession = ({ severity }: ServerError): boolean => severity === "FATAL" || severity === "PANIC";

/** SQLSTATE, or the code of postgres.js or the operating system; empty when the error has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
