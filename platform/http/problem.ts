/** Error responses in the form of problem details (RFC 9457). */
import { type Problem, policy, RequestError } from "../../contracts/errors.ts";

const MEDIA_TYPE = "application/problem+json";
/** `Retry-After` of an error that may pass soon and does not name a time itself. */
const RETRY_AFTER_S = 1;

/**
 * The HTTP response for an error. An error other than a `RequestError` becomes INTERNAL, and its text stays out of the
 * response.
 *
 * @param instance path of the request.
 * @param traceId trace of the request, if it has one.
 */
export function problem(error: unknown, instance: string, traceId?: string): Response {
  const known =
    error instanceof RequestError
      ? error
      : new RequestError("INTERNAL", "An unexpected error occurred. The service's log has the details.");
  const { http: status, retry } = policy[known.code];
  const { challenges = [], retryAfterSeconds = retry === "soon" ? RETRY_AFTER_S : undefined } = known.details;
  const headers = new Headers({ "content-type": MEDIA_TYPE, "cache-control": "no-store" });
  if (retryAfterSeconds !== undefined) headers.set("retry-after", String(retryAfterSeconds));
  for (const challenge of challenges) headers.append("www-authenticate", challenge);
  return new Response(JSON.stringify(problemBody(known, instance, traceId)), { status, headers });
}

/** The body of an error response. Its `type` is a stable URI reference: `/problems/not-found`. */
export function problemBody({ code, message, details }: RequestError, instance: string, traceId?: string): Problem {
  const { http, title } = policy[code];
  return {
    type: `/problems/${code.toLowerCase().replaceAll("_", "-")}`,
    title,
    status: http,
    detail: message,
    // Hono decodes the path; RFC 9457 requires a URI reference.
    instance: encodeURI(instance),
    code,
    ...(traceId ? { traceId } : {}),
    ...(details.violations ? { errors: [...details.violations] } : {}),
  };
}
