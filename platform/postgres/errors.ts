/** What an error of PostgreSQL, of postgres.js or of the network says about a statement. */
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

/** SQLSTATE classes and codes after which the same statement may succeed. */
const TRANSIENT = /^(08|40|53|57|58|55P03)/;
/** Codes of postgres.js and the operating system for a connection that cannot be opened or was lost. */
const NOT_CONNECTED = /^(CONNECT|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT)/;
/** Codes of a connection that was open and broke. */
const BROKEN_CONNECTION = /^(08|57P0[125]|CONNECTION_CLOSED|CONNECTION_DESTROYED|CONNECT_TIMEOUT|ECONNRESET|EPIPE)/;
/**
 * Data exceptions, constraints, syntax and access rules, errors raised by triggers, WITH CHECK OPTION: all rolled back.
 */
const REJECTION = /^(22|23|42|44|P0001)/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** True for an error that concerns the database's state, not the statement: the same statement may succeed later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return true;
  const code = codeOf(error);
  return TRANSIENT.test(code) || NOT_CONNECTED.test(code);
}

/** True when the database rejected the statement and rolled it back: it fails again until data or schema change. */
export function isRejected(error: unknown): boolean {
  const code = codeOf(error);
  return SQLSTATE.test(code) && REJECTION.test(code);
}

/** True when the connection of the statement broke. */
export const isBrokenConnection = (error: unknown): boolean => BROKEN_CONNECTION.test(codeOf(error));

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
