/** Conditional requests (RFC 9110, section 13) over strong entity tags, which are versions: `"7"`. Pure. */
import type { Version } from "../contracts/entity.ts";
import { LockstepError } from "../contracts/errors.ts";

export const etagOf = (version: Version): string => `"${version}"`;

const list = /^\s*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*|$))+$/;

/**
 * Versions that an `If-Match` header accepts.
 *
 * @returns undefined when there is no header, or when it is `*`: then any existing version will do. A weak tag or one that is no
 * version matches nothing (strong comparison, section 8.8.3.2).
 * @throws {LockstepError} MALFORMED when it is no list of entity tags.
 */
export function acceptedVersions(header: string | undefined): readonly Version[] | undefined {
  if (header === undefined || header.trim() === "*") return undefined;
  const tags = tagsOf(header, "If-Match");
  return tags.flatMap((tag) => (/^"[1-9]\d{0,15}"$/.test(tag) ? [Number(tag.slice(1, -1))] : []));
}

/** Whether `If-None-Match` names this version, so that a read answers 304 (weak comparison). @throws {LockstepError} MALFORMED. */
export function isUnchanged(header: string | undefined, version: Version): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return tagsOf(header, "If-None-Match").some((tag) => tag.replace(/^W\//, "") === etagOf(version));
}

function tagsOf(header: string, name: string): string[] {
  if (!list.test(header))
    throw new LockstepError("MALFORMED", `${name} must be a list of entity tags like "7", or *.`, {
      violations: [{ pointer: name, detail: "is no list of entity tags" }],
    });
  return header.match(/(?:W\/)?"[^"]*"/g) ?? [];
}
