/** A request's body as a JSON object that the declaration accepts, or an error that says where it does not. */
import type { z } from "zod";
import type { Document } from "../../contracts/entity/document.ts";
import { systemFields } from "../../contracts/entity/fields.ts";
import { RequestError, type Violation } from "../../contracts/errors.ts";

/** Longest that a body may take to arrive. */
const ARRIVAL_MS = 20_000;
/** More mistakes than this are not listed: an answer must not be larger than what was asked. */
const MAX_VIOLATIONS = 100;

export interface BodyRules {
  readonly schema: z.ZodObject;
  /** Media types that are understood (RFC 9110, section 8.3); parameters are ignored. */
  readonly types: readonly string[];
  readonly maxBytes: number;
}

/**
 * @throws {RequestError} UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, MALFORMED, or INVALID with the JSON pointer of each wrong member.
 */
export async function readBody(request: Request, { schema, types, maxBytes }: BodyRules): Promise<Document> {
  requireType(request.headers, types);
  const result = schema.safeParse(parse(await inTime(readBytes(request, maxBytes))));
  if (result.success) return result.data as Document;
  throw new RequestError("INVALID", "The body does not fit; see errors.", { violations: violationsOf(result.error) });
}

function requireType(headers: Headers, types: readonly string[]): void {
  const type = (headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (!types.includes(type))
    throw unsupported(`Send the body as ${types.join(" or ")}${type ? `, not ${type.slice(0, 100)}` : ""}.`);
  const coding = headers.get("content-encoding")?.trim().toLowerCase();
  if (coding && coding !== "identity") throw unsupported("Send the body without a content coding.");
}

const unsupported = (detail: string) => new RequestError("UNSUPPORTED_MEDIA_TYPE", detail);

/** Reads no more than is allowed, whatever length the client declares or hides. */
async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new RequestError("TOO_LARGE", `A body may have ${maxBytes} bytes at most.`);
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > maxBytes) throw tooLarge();
    return request.bytes();
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A client that sends a byte now and then keeps its connection, and nothing else. */
async function inTime<T>(arriving: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`it takes longer than ${ARRIVAL_MS} ms`)), ARRIVAL_MS);
  try {
    return await Promise.race([arriving, late.promise]);
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    throw new RequestError("MALFORMED", "The body did not arrive.", { cause });
  } finally {
    clearTimeout(timer);
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new RequestError("MALFORMED", "The body is not JSON in UTF-8.", { cause });
  }
}

function violationsOf(error: z.ZodError): Violation[] {
  const all = error.issues.flatMap((issue) => {
    const pointer = issue.path.map((part) => `/${escapePointer(String(part))}`).join("");
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        pointer: `${pointer}/${escapePointer(key)}`,
        detail: Object.hasOwn(systemFields, key) ? "is read-only" : "is not a known member",
      }));
    const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
    return [{ pointer, detail: missing ? "is required" : issue.message }];
  });
  return all.slice(0, MAX_VIOLATIONS);
}

/** RFC 6901, section 3. */
const escapePointer = (part: string): string => part.replaceAll("~", "~0").replaceAll("/", "~1");
