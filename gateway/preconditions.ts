/** Conditional requests (RFC 9110, section 13) over strong entity tags, which are versions: `"7"`. Pure. */
import type { Version } from "../contracts/entity/document.ts";
import { RequestError } from "../contracts/errors.ts";

export const etagOf = (version: Version): string => `"${version}"`;

/** The two headers of a request that make it conditional, as they came. */
export interface Conditions {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/**
 * Versions that an entity may have for a write to be carried out.
 *
 * A weak tag, or one that is no version, matches nothing (strong comparison, section 8.8.3.2).
 * `If-None-Match: *` on a write means "only if there is none", and a write to an existing entity then matches nothing.
 *
 * @returns undefined when every version will do: there is no condition, or `If-Match: *`.
 * @throws {RequestError} MALFORMED when `If-Match` is no list of entity tags, or `If-None-Match` is not `*`.
 */
export function acceptedVersions({ ifMatch, ifNoneMatch }: Conditions): readonly Version[] | undefined {
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== "*") throw malformed("If-None-Match", "can only be * where something is written");
    return [];
  }
  if (ifMatch === undefined || ifMatch.trim() === "*") return undefined;
  return tagsOf(ifMatch, "If-Match").flatMap((tag) =>
    /^"[1-9]\d{0,14}"$/.test(tag) ? [Number(tag.slice(1, -1))] : [],
  );
}

/** Whether `If-None-Match` names this version, so that a read answers 304 (weak comparison). @throws {RequestError} MALFORMED. */
export function isUnchanged(ifNoneMatch: string | undefined, version: Version): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return tagsOf(ifNoneMatch, "If-None-Match").some((tag) => tag.replace(/^W\//, "") === etagOf(version));
}

const list = /^\s*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*|$))+$/;

function tagsOf(header: string, name: string): string[] {
  if (!list.test(header)) throw malformed(name, 'must be a list of entity tags like "7", or *');
  return header.match(/(?:W\/)?"[^"]*"/g) ?? [];
}

const malformed = (header: string, detail: string) =>
  new RequestError("MALFORMED", `The header ${header} ${detail}.`, { violations: [{ pointer: header, detail }] });
