/** The error classes, and the codes for HTTP clients. An error without such a code is a bug: INTERNAL. */
import { z } from "zod";

/** Code of an error that an HTTP client can act on. {@link policy} has status, title and retry for each. */
export type ErrorCode =
  | "MALFORMED"
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "CONFLICT"
  | "SKIPPED"
  | "PRECONDITION_FAILED"
  | "TOO_LARGE"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "INVALID"
  | "REJECTED"
  | "KEY_REUSED"
  | "CAPTURE_INCOMPLETE"
  | "UNAVAILABLE"
  | "BEHIND"
  | "INTERNAL";

const violationSchema = z.strictObject({
  pointer: z.string().describe("JSON pointer into the body (RFC 6901), or the name of the query parameter or header"),
  detail: z.string(),
});

/** A part of the request that is wrong, and why. */
export type Violation = Readonly<z.infer<typeof violationSchema>>;

interface Policy {
  /** HTTP status (RFC 9110). */
  readonly http: number;
  /** Title of the problem (RFC 9457): the same for every occurrence of a code. */
  readonly title: string;
  /** Whether a retry may succeed: `soon` with the same request, `after a change` of it, or `never`. */
  readonly retry: "soon" | "never" | "after a change";
}

/** HTTP status, title and retry by error code. */
export const policy: Readonly<Record<ErrorCode, Policy>> = {
  MALFORMED: { http: 400, title: "The request is malformed", retry: "after a change" },
  UNAUTHENTICATED: { http: 401, title: "Authentication is required", retry: "after a change" },
  FORBIDDEN: { http: 403, title: "Access is denied", retry: "never" },
  NOT_FOUND: { http: 404, title: "The resource does not exist", retry: "never" },
  METHOD_NOT_ALLOWED: { http: 405, title: "The method is not allowed for this resource", retry: "never" },
  CONFLICT: { http: 409, title: "The request conflicts with the current state", retry: "after a change" },
  SKIPPED: { http: 409, title: "A trigger of the database skipped the write", retry: "after a change" },
  PRECONDITION_FAILED: { http: 412, title: "The precondition failed", retry: "after a change" },
  TOO_LARGE: { http: 413, title: "The request body is too large", retry: "after a change" },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, title: "The media type is not supported", retry: "after a change" },
  INVALID: { http: 422, title: "The content is invalid", retry: "after a change" },
  REJECTED: { http: 422, title: "A rule of the database rejects the write", retry: "after a change" },
  KEY_REUSED: { http: 422, title: "The idempotency key belongs to another request", retry: "after a change" },
  CAPTURE_INCOMPLETE: { http: 503, title: "The change would not reach the replicas", retry: "soon" },
  UNAVAILABLE: { http: 503, title: "A required service is unavailable", retry: "soon" },
  BEHIND: { http: 503, title: "The replica is behind", retry: "soon" },
  INTERNAL: { http: 500, title: "An internal error occurred", retry: "never" },
};

/** Body of every error response: problem details (RFC 9457) with extension members. */
export const problemSchema = z.strictObject({
  type: z.string().meta({ format: "uri-reference" }).describe("identifies the code"),
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
  errors: z.array(violationSchema).exactOptional().describe("the invalid values, at most 100"),
});

/** {@link problemSchema} */
export type Problem = z.infer<typeof problemSchema>;

interface ErrorDetails {
  readonly violations?: readonly Violation[];
  readonly retryAfterSeconds?: number;
  /** Values of `WWW-Authenticate`, one per accepted kind of credentials (RFC 9110, section 11.6.1). */
  readonly challenges?: readonly string[];
  readonly cause?: unknown;
}

/**
 * Base of all error classes of Lockstep. `code` is a stable identifier in capitals, for programs and log filters. The
 * message is for people: it says what happened, to which value, and what to do next.
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

/** An error that an HTTP client can act on. `platform/http` turns it into problem details (RFC 9457). */
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
 * An error that the user of a command or of the console can act on. The command prints the message without a stack
 * trace and exits with status 1.
 */
export class UserError extends LockstepError {
  constructor(message: string, code = "USER_ERROR", options?: ErrorOptions) {
    super(code, message, options);
  }
}
