/** Reads a request body as a JSON object that fits a schema. */
import type { z } from "zod";
import { RequestError, type Violation } from "../../contracts/errors.ts";
import { SharedDeadline } from "../async/shared-deadline.ts";

/**
 * Longest time that a body may take to arrive: a client that sends a byte now and then holds only its own connection.
 */
const TIMEOUT_MS = 20_000;
/** Longest list of violations: the response must not be larger than the request. */
const MAX_VIOLATIONS = 100;

/** What {@link readBody} accepts. */
export interface BodyOptions {
  readonly schema: z.ZodObject;
  /** Accepted media types (RFC 9110, section 8.3). Parameters are ignored. */
  readonly types: readonly string[];
  readonly maxBytes: number;
  /** Members that the schema does not have because only the server sets them: a violation says so. */
  readonly readOnly?: readonly string[];
  /** Parses the text of the body. Default: `JSON.parse`. */
  readonly parse?: (text: string) => unknown;
  /**
   * Returns what the schema returns for a valid body; undefined when the schema has to decide. Default: the schema
   * always decides.
   */
  readonly quickInput?: (value: unknown) => Record<string, unknown> | undefined;
}

const deadline = new SharedDeadline(TIMEOUT_MS);
/** All bodies share it: it has no state between two calls of `decode`. */
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads, parses and validates the body.
 *
 * @param reserve is called with the size of a part of the body before that part is kept. It may throw.
 * @returns the object, with the schema's defaults.
 * @throws {RequestError} UNSUPPORTED_MEDIA_TYPE; TOO_LARGE; MALFORMED when the body is not JSON in UTF-8, breaks off or
 * takes longer than 20 s; INVALID with the JSON pointer of each wrong member; and whatever `reserve` throws.
 */
export async function readBody(
  request: Request,
  options: BodyOptions,
  reserve: (bytes: number) => void = () => {},
): Promise<Record<string, unknown>> {
  const { schema, types, maxBytes, readOnly = [], parse = JSON.parse, quickInput } = options;
  requireType(request.headers, types);
  const value = parseBytes(await receive(request, maxBytes, reserve), parse);
  const quick = quickInput?.(value);
  if (quick) return quick;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const violations = violationsOf(result.error, readOnly);
  throw new RequestError("INVALID", "The body does not fit the schema; see errors.", { violations });
}

function requireType(headers: Headers, types: readonly string[]): void {
  const given = headers.get("content-type") ?? "";
  if (!types.includes(given)) {
    const type = given.split(";")[0]!.trim().toLowerCase();
    if (!types.includes(type))
      throw unsupported(`Send the body as ${types.join(" or ")}${type ? `, not ${type.slice(0, 100)}` : ""}.`);
  }
  const coding = headers.get("content-encoding")?.trim().toLowerCase();
  if (coding && coding !== "identity")
    throw unsupported(`Send the body without a content coding, not as ${coding.slice(0, 100)}.`);
}

const unsupported = (detail: string) => new RequestError("UNSUPPORTED_MEDIA_TYPE", detail);

function receive(request: Request, maxBytes: number, reserve: (bytes: number) => void): Promise<Uint8Array> {
  return deadline
    .limit(readBytes(request, maxBytes, reserve), () => new Error(`the body did not arrive within ${TIMEOUT_MS} ms`))
    .catch((cause) => {
      if (cause instanceof RequestError) throw cause;
      throw new RequestError("MALFORMED", "The body did not arrive completely.", { cause });
    });
}

/** Reads at most `maxBytes`, whatever length the client declares. */
async function readBytes(request: Request, maxBytes: number, reserve: (bytes: number) => void): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
    reserve(Number(declared));
    return request.bytes();
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes);
    reserve(chunk.byteLength);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (maxBytes: number) =>
  new RequestError("TOO_LARGE", `The body is larger than the limit of ${maxBytes} bytes.`);

function parseBytes(bytes: Uint8Array, parse: (text: string) => unknown): unknown {
  try {
    return parse(decoder.decode(bytes));
  } catch (cause) {
    throw new RequestError("MALFORMED", "The body is not JSON in UTF-8.", { cause });
  }
}

function violationsOf(error: z.ZodError, readOnly: readonly string[]): Violation[] {
  const all = error.issues.flatMap((issue) => {
    const pointer = issue.path.map((part) => `/${escapePointer(String(part))}`).join("");
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        pointer: `${pointer}/${escapePointer(key)}`,
        detail: readOnly.includes(key) ? "is read-only" : "is not a known member",
      }));
    const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
    return [{ pointer, detail: missing ? "is required" : issue.message }];
  });
  return all.slice(0, MAX_VIOLATIONS);
}

/** RFC 6901, section 3. */
const escapePointer = (part: string): string => part.replaceAll("~", "~0").replaceAll("/", "~1");
