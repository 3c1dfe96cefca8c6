/** Reads the JSON body of a request, and finds the entity that the request names. */
import { z } from "zod";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { isKeyText, readKey } from "../../../contracts/entity/key.ts";
import { RequestError } from "../../../contracts/errors.ts";
import type { Project } from "../../../contracts/project.ts";
import { readBody } from "../../../platform/http/body.ts";

const MEDIA_TYPES = ["application/json"];
const MAX_BODY_BYTES = 262_144;

/** Entity id in a body. {@link findId} says whether an entity can have it. */
export const idSchema = z.string().max(2_000).refine(isKeyText, "must be the text of a key");

/** The id in its canonical form. @throws {RequestError} NOT_FOUND when the entity cannot have it. */
export function findId(entity: EntityDeclaration, text: string): EntityId {
  const id = readKey(entity, text);
  if (id === undefined) throw new RequestError("NOT_FOUND", `${text.slice(0, 100)} is no key of ${entity.name}.`);
  return id;
}

/**
 * Reads the body of a request as JSON: 262,144 bytes at most.
 *
 * @throws {RequestError} UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, MALFORMED; INVALID with the pointer of each member.
 */
export const readJson = <T extends z.ZodObject>(request: Request, schema: T): Promise<z.output<T>> =>
  readBody(request, { schema, types: MEDIA_TYPES, maxBytes: MAX_BODY_BYTES }) as Promise<z.output<T>>;

/** Finds an entity by its plural name. @throws {RequestError} NOT_FOUND when no entity has this name. */
export function findEntity({ entities }: Pick<Project, "entities">, plural: string): EntityDeclaration {
  const entity = entities.find((candidate) => candidate.plural === plural);
  if (!entity) {
    const names = entities.map((candidate) => candidate.plural).join(", ");
    throw new RequestError("NOT_FOUND", `No entity ${plural.slice(0, 100)} is declared; declared are ${names}.`);
  }
  return entity;
}
