/** Documents of earlier schema versions, brought to the current one, one version after the other. Pure. */
import { LockstepError } from "../errors.ts";
import type { EntityDeclaration, ReplicaDeclaration, Upcasters } from "./declaration.ts";
import type { Document } from "./document.ts";
import { systemFields } from "./fields.ts";

/** An upcaster could not read a document. The message holds no value of the document, which may be private. */
export class UpcastError extends LockstepError {
  constructor(
    readonly entity: string,
    /** The schema version that could not be read. */
    readonly from: number,
    problem: string,
    options?: ErrorOptions,
  ) {
    super("UPCAST_FAILED", `schema version ${from} of ${entity} cannot be read: ${problem}`, options);
  }
}

/**
 * The document in the shape of the current schema version; nothing is validated.
 *
 * @param from schema version of the document, 1 to the current one.
 * @throws {UpcastError} when an upcaster throws.
 */
export function upcast(entity: EntityDeclaration, document: Document, from: number): Document {
  return climb(entity, [entity.upcasters], document, from);
}

/**
 * What a replica was sent under schema version `from`, as it would be sent today.
 *
 * @throws {UpcastError} when an upcaster throws, or leaves a member out that the replica has.
 */
export function upcastProjection(
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
  projected: Document,
  from: number,
): Document {
  if (from === entity.schemaVersion) return projected;
  const upcasted = climb(entity, [replica.upcasters, entity.upcasters], projected, from);
  const document: Document = {};
  for (const member of Object.keys({ ...systemFields, ...replica.fields })) {
    if (upcasted[member] === undefined)
      throw new UpcastError(entity.name, from, `nothing gives replica ${replica.name} the member ${member}`);
    document[member] = upcasted[member];
  }
  return document;
}

/** @param ladders for each version, the first that has an upcaster counts. */
function climb(
  entity: EntityDeclaration,
  ladders: readonly (Upcasters | undefined)[],
  document: Document,
  from: number,
): Document {
  let climbed = document;
  for (let version = from; version < entity.schemaVersion; version++) {
    const upcaster = ladders.find((ladder) => ladder?.[version])?.[version];
    try {
      climbed = upcaster!(climbed);
    } catch (cause) {
      // Its message may quote a value.
      const kind = cause instanceof Error ? cause.name : typeof cause;
      throw new UpcastError(entity.name, from, `the upcaster of version ${version} threw a ${kind}`, { cause });
    }
  }
  return climbed;
}
