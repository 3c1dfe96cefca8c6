/** Closed list of what can go wrong for a caller, with what to do about it. What is not in the table is a bug, and is answered as INTERNAL. */
import { z } from "zod";

export type ErrorCode =
  | "MALFORMED"
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "CONFLICT"
  | "PRECONDITION_FAILED"
  | "TOO_LARGE"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "INVALID"
  | "KEY_REUSED"
  | "UNAVAILABLE"
  | "BEHIND"
  | "INTERNAL";

const violationSchema = z.strictObject({
  pointer: z.string().describe("JSON pointer into the body (RFC 6901), or the name of the query parameter or header"),
  detail: z.string(),
});

/** Where in the request a value was wrong. */
export type Violation = Readonly<z.infer<typeof violationSchema>>;

interface Policy {
  /** HTTP status (RFC 9110). */
  readonly http: number;
  /** Problem title (RFC 9457): the same for every occurrence. */
  readonly title: string;
  /** Whether the same request may succeed later. */
  readonly retry: "soon" | "never" | "after a change";
}

export const policy: Readonly<Record<ErrorCode, Policy>> = {
  MALFORMED: { http: 400, title: "The request could not be read", retry: "after a change" },
  UNAUTHENTICATED: { http: 401, title: "A token is needed", retry: "after a change" },
  FORBIDDEN: { http: 403, title: "This is not allowed here", retry: "never" },
  NOT_FOUND: { http: 404, title: "There is nothing here", retry: "never" },
  METHOD_NOT_ALLOWED: { http: 405, title: "The method is not allowed here", retry: "never" },
  CONFLICT: { http: 409, title: "Another entity has this value", retry: "after a change" },
  PRECONDITION_FAILED: { http: 412, title: "The entity changed in the meantime", retry: "after a change" },
  TOO_LARGE: { http: 413, title: "The body is too large", retry: "after a change" },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, title: "The media type is not understood", retry: "after a change" },
  INVALID: { http: 422, title: "The content is not valid", retry: "after a change" },
  KEY_REUSED: { http: 422, title: "The idempotency key was used for another request", retry: "after a change" },
  UNAVAILABLE: { http: 503, title: "A part that is needed is away", retry: "soon" },
  BEHIND: { http: 503, title: "The replica is not as fresh as was asked for", retry: "soon" },
  INTERNAL: { http: 500, title: "An unexpected error occurred", retry: "never" },
};

/** The body of every refusal: problem details (RFC 9457) with members of our own. */
export const problemSchema = z.strictObject({
  type: z.string().meta({ format: "uri-reference" }).describe("the same for every occurrence of a code"),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string().describe("what happened, to which value, and what to do next"),
  instance: z.string().meta({ format: "uri-reference" }).describe("path of the request"),
  code: z.enum(Object.keys(policy) as ErrorCode[]),
  traceId: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .exactOptional()
    .describe("W3C trace id of the request"),
  errors: z.array(violationSchema).exactOptional().describe("each value that was wrong, the first hundred of them"),
});

export type Problem = z.infer<typeof problemSchema>;

interface ErrorDetails {
  readonly violations?: readonly Violation[];
  readonly retryAfterSeconds?: number;
  /** What credentials are taken: a value of `WWW-Authenticate` each (RFC 9110, section 11.6.1). */
  readonly challenges?: readonly string[];
  readonly cause?: unknown;
}

/**
 * Base of every error class of Lockstep. `code` is a stable identifier in capitals, for programs and log filters.
 * The message is for people: it says what happened, to which value, and what to do next.
 */
export class LockstepError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An error that an HTTP client can act on. `platform/http` answers it as problem details (RFC 9457). */
export class RequestError extends LockstepError {
  constructor(
    override readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(code, message, details.cause === undefined ? {} : { cause: details.cause });
  }
}

/**
 * An error that the user of a command or of the console can act on. The command prints the message without a stack trace
 * and exits with status 1.
 */
export class UserError extends LockstepError {
  constructor(message: string, code = "USER_ERROR", options?: ErrorOptions) {
    super(code, message, options);
  }
}
