/** Errors of what is asked, as answers that a client can act on. */
import { LockstepError } from "../../../contracts/errors.ts";
import { UserError } from "../../../platform/user-error.ts";

/** @throws {LockstepError} CONFLICT with the words of a refusal; UNAVAILABLE when something that must be asked does not answer. */
export async function toHttpError<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    if (cause instanceof UserError) throw new LockstepError("CONFLICT", cause.message, { cause });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LockstepError("UNAVAILABLE", `A part that is asked does not answer: ${why}`, { cause });
  }
}
