/**
 * The value of a record in the versions topic: what the stream knows of one entity. Replicas and operations read it as
 * proof: an entity that a replica's topic lacks may be removed from the replica only if this record says so.
 */
import { z } from "zod";
import type { Version } from "./entity/document.ts";

/** What the stream knows of one entity. */
export interface KnownVersion {
  /** Newest version that the stream has routed. */
  readonly version: Version;
  /**
   * Names of the replicas that got a tombstone for this version: the entity was deleted, or the replica's filter
   * excludes it. An empty list proves nothing, because records of earlier releases lack the member. A list proves
   * nothing about a row of the same version: the record may be older than a resend that brought the row.
   */
  readonly absent: readonly string[];
}

/** Schema of the value. */
export const knownVersionSchema = z.strictObject({
  version: z.int().min(1),
  absent: z.array(z.string()).min(1).exactOptional().describe("replicas that must not have the entity"),
});

/** Makes the value of a record. */
export const encodeKnownVersion = ({ version, absent }: KnownVersion): string =>
  absent.length === 0 ? `{"version":${version}}` : JSON.stringify({ version, absent });

/** Reads the value of a record. @throws {SyntaxError} for a value that {@link encodeKnownVersion} did not make. */
export function decodeKnownVersion(value: Buffer): KnownVersion {
  const { version, absent = [] } = JSON.parse(value.toString()) as z.infer<typeof knownVersionSchema>;
  return { version, absent };
}
