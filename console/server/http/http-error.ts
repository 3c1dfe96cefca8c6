/** Converts the errors of operations into HTTP errors. */
import { RequestError, UserError } from "../../../contracts/errors.ts";

/**
 * Runs `work` and converts its errors. A `RequestError` stays as it is.
 *
 * @throws {RequestError} CONFLICT for a `UserError`, with its message. UNAVAILABLE for every other error, because a
 * database, Redis or the log did not answer.
 */
export async function toHttpError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    if (cause instanceof UserError) throw new RequestError("CONFLICT", cause.message, { cause });
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new RequestError("UNAVAILABLE", `A database, Redis or the log did not answer: ${message}`, { cause });
  }
}
