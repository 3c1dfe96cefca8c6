/** Converts documents of earlier schema versions to the current one, one version after the other. Pure. */
import { LockstepError } from "../errors.ts";
import type { EntityDeclaration, ReplicaDeclaration, Upcasters } from "./declaration.ts";
import type { Document } from "./document.ts";

/** A document could not be converted. The message quotes no value of the document (P13). */
export class UpcastError extends LockstepError {
  /** @param from the document's schema version. */
  constructor(
    readonly entity: string,
    readonly from: number,
    problem: string,
    options?: ErrorOptions,
  ) {
    super("UPCAST_FAILED", `schema version ${from} of ${entity} cannot be read: ${problem}`, options);
  }
}

/**
 * Converts a document of the source to the current schema version. It validates nothing.
 *
 * @param from the document's schema version, 1 to the current one.
 * @throws {UpcastError} when an upcaster throws.
 */
export function upcast(entity: EntityDeclaration, document: Document, from: number): Document {
  return applyUpcasters(entity, [entity.upcasters], document, from);
}

/**
 * Converts a document of a replica's topic to the current schema version.
 *
 * @param from the document's schema version, 1 to the current one.
 * @throws {UpcastError} when an upcaster throws, or when the result lacks a member that the replica has.
 */
export function upcastProjection(
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
  projected: Document,
  from: number,
): Document {
  if (from === entity.schemaVersion) return projected;
  const upcasted = applyUpcasters(entity, [replica.upcasters, entity.upcasters], projected, from);
  const document: Document = {};
  for (const member of [...Object.keys(replica.fields), ...Object.keys(replica.children)]) {
    if (upcasted[member] === undefined)
      throw new UpcastError(entity.name, from, `no upcaster sets the member ${member} of replica ${replica.name}`);
    document[member] = upcasted[member];
  }
  return document;
}

/** @param sources for each version, the first of them that has an upcaster is used. */
function applyUpcasters(
  entity: EntityDeclaration,
  sources: readonly (Upcasters | undefined)[],
  document: Document,
  from: number,
): Document {
  let current = document;
  for (let version = from; version < entity.schemaVersion; version++) {
    const upcaster = sources.find((upcasters) => upcasters?.[version])?.[version];
    try {
      current = upcaster!(current);
    } catch (cause) {
      // Only the name of the error: its message may quote a value.
      const kind = cause instanceof Error ? cause.name : typeof cause;
      throw new UpcastError(entity.name, from, `the upcaster of version ${version} threw a ${kind}`, { cause });
    }
  }
  return current;
}
