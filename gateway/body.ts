/** A request's body as a JSON object that the declaration accepts, or an error that says where it does not. */
import type { Context } from "hono";
import type { z } from "zod";
import { type Document, systemFields } from "../contracts/entity.ts";
import { LockstepError, type Violation } from "../contracts/errors.ts";

/**
 * @param types media types that are understood (RFC 9110, section 8.3); parameters are ignored.
 * @throws {LockstepError} UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, MALFORMED, or INVALID with the JSON pointer of each wrong member.
 */
export async function readBody(
  c: Context,
  schema: z.ZodObject,
  types: readonly string[],
  maxBytes: number,
): Promise<Document> {
  const type = (c.req.header("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (!types.includes(type))
    throw new LockstepError(
      "UNSUPPORTED_MEDIA_TYPE",
      `Send the body as ${types.join(" or ")}${type ? `, not ${type}` : ""}.`,
    );
  const declared = Number(c.req.header("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  const bytes = await c.req.arrayBuffer();
  if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes);
  const result = schema.safeParse(parse(bytes));
  if (!result.success)
    throw new LockstepError("INVALID", "The body does not fit; see errors.", {
      violations: violationsOf(result.error),
    });
  return result.data as Document;
}

const tooLarge = (maxBytes: number) => new LockstepError("TOO_LARGE", `A body may have ${maxBytes} bytes at most.`);

function parse(bytes: ArrayBuffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new LockstepError("MALFORMED", "The body is not JSON in UTF-8.", { cause });
  }
}

function violationsOf(error: z.ZodError): Violation[] {
  return error.issues.flatMap((issue) => {
    const pointer = issue.path.map((part) => `/${escapePointer(String(part))}`).join("");
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        pointer: `${pointer}/${escapePointer(key)}`,
        detail: key in systemFields ? "is read-only" : "is not a known member",
      }));
    const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
    return [{ pointer, detail: missing ? "is required" : issue.message }];
  });
}

/** RFC 6901, section 3. */
const escapePointer = (part: string): string => part.replaceAll("~", "~0").replaceAll("/", "~1");
