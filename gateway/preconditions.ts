/** Conditional requests (RFC 9110, section 13). The strong entity tag of an entity is its version: `"7"`. Pure. */
import type { Version } from "../contracts/entity/document.ts";
import { RequestError } from "../contracts/errors.ts";

/** The entity tag of a version, for the header `ETag`. */
export const etagOf = (version: Version): string => `"${version}"`;

/**
 * Versions that an entity may have for a write to run. Undefined: any version. Empty: none, so that the write fails.
 */
export type AcceptedVersions = readonly Version[] | undefined;

/** The values of the two headers that make a request conditional. */
export interface Conditions {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/**
 * Reads the conditions of a write.
 *
 * A weak tag, or a tag that is no version, matches nothing (strong comparison, section 8.8.3.2). `If-None-Match: *`
 * asks for an entity that does not exist, so a write to an existing entity matches nothing.
 *
 * @returns undefined without a condition, and for `If-Match: *`.
 * @throws {RequestError} MALFORMED when `If-Match` is not a list of entity tags, or `If-None-Match` is not `*`.
 */
export function acceptedVersions({ ifMatch, ifNoneMatch }: Conditions): AcceptedVersions {
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== "*") throw malformed("If-None-Match", "must be * in a write");
    return [];
  }
  if (ifMatch === undefined || ifMatch.trim() === "*") return undefined;
  return tagsOf(ifMatch, "If-Match").flatMap((tag) =>
    /^"[1-9]\d{0,15}"$/.test(tag) ? [Number(tag.slice(1, -1))].filter(Number.isSafeInteger) : [],
  );
}

/**
 * True when `If-None-Match` of a read names this version (weak comparison), so that the response is 304.
 *
 * @throws {RequestError} MALFORMED when the header is not a list of entity tags.
 */
export function isUnchanged(ifNoneMatch: string | undefined, version: Version): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return tagsOf(ifNoneMatch, "If-None-Match").some((tag) => tag.replace(/^W\//, "") === etagOf(version));
}

const TAG_LIST = /^\s*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*|$))+$/;

function tagsOf(header: string, name: string): string[] {
  if (!TAG_LIST.test(header)) throw malformed(name, 'must be a list of entity tags like "7", or *');
  return header.match(/(?:W\/)?"[^"]*"/g) ?? [];
}

const malformed = (header: string, detail: string) =>
  new RequestError("MALFORMED", `The header ${header} ${detail}.`, { violations: [{ pointer: header, detail }] });
