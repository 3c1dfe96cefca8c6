/** Errors of what is asked, as answers that a client can act on. */
import { RequestError, UserError } from "../../../contracts/errors.ts";

/** @throws {RequestError} CONFLICT with the words of a refusal; UNAVAILABLE when something that must be asked does not answer. */
export async function toHttpError<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    if (cause instanceof UserError) throw new RequestError("CONFLICT", cause.message, { cause });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RequestError("UNAVAILABLE", `A part that is asked does not answer: ${why}`, { cause });
  }
}
