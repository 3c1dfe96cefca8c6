/** Why the stream rejects a record. A check returns a {@link Rejection} instead of its result; it does not throw. */
import type { ReasonOf } from "../contracts/dead-letter-reasons.ts";

/** The reasons for a dead letter that the stream gives. */
export type Reason = ReasonOf<"stream">;

/**
 * Detail and stack contain no value of the document, because it may have private fields. The reason `internal` is the
 * exception: its detail is the message of whatever was thrown.
 */
export class Rejection {
  constructor(
    readonly reason: Reason,
    /** Says which part of the record is wrong and what was expected. */
    readonly detail: string,
    readonly stack: string,
  ) {}
}

/**
 * Makes the rejection of a record that fails a check.
 *
 * @param cause an error of the project's own code, for example of an upcaster. The rejection shows where it was thrown.
 */
export function reject(reason: Reason, detail: string, cause?: unknown): Rejection {
  const own = new Error(detail);
  Error.captureStackTrace(own, reject);
  // The cause's message is left out: it may quote a value of the document.
  const causeFrames = cause instanceof Error ? (cause.stack ?? "").split("\n").filter((l) => /^\s+at /.test(l)) : [];
  return new Rejection(reason, detail, [own.stack ?? detail, ...causeFrames].join("\n"));
}

/** Makes the rejection for an unexpected error: a bug in Lockstep, or in a declaration's filter, projection or mask. */
export function internalRejection(error: unknown): Rejection {
  const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
  return new Rejection("internal", message, stack);
}
