/** How commands print an error. */
import { UserError } from "../contracts/errors.ts";

/** The message of a {@link UserError}. Any other error is a bug, so its stack trace is included. */
export function errorText(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
