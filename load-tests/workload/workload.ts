/**
 * What bench and load tests write: the entity, its documents and changes. The file `workload.ts` in the project's folder
 * says so; without one, everything comes from the first entity whose declaration has a usable example.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { exampleForReplica, exampleInput } from "../../contracts/entity/example.ts";
import { inputSchema } from "../../contracts/entity/schemas.ts";
import { UserError } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { exampleChange, exampleVariant } from "./from-example.ts";
import type { Random } from "./random.ts";
import { type BulkStatements, bulkStatements } from "./statements.ts";

/** What is written. */
export interface Workload {
  readonly entity: EntityDeclaration;
  /**
   * A new document, as a client sends it.
   *
   * @param unique text that no other document has. A replacement of the same entity uses it again.
   */
  readonly input: (unique: string, random: Random) => Document;
  /** A merge patch that changes the entity. The entity still matches the filter of every replica that it matched. */
  readonly change: (random: Random) => Document;
  /** Statements that change many rows. @throws {UserError} when the entity's key is not one uuid. */
  readonly bulk: () => BulkStatements;
}

/** The exports of a `workload.ts`. Each but `entity` may be left out: it then comes from the declaration. */
interface WorkloadFile extends Partial<Pick<Workload, "input" | "change">> {
  /** Name of the entity. */
  readonly entity: string;
  readonly bulk?: BulkStatements;
}

/** Name of the file in the project's folder. */
export const WORKLOAD_FILE = "workload.ts";

/**
 * The workload of a project.
 *
 * @throws {UserError} when no entity is usable, or the file names one that the project lacks.
 */
export async function workloadOf(project: Pick<Project, "entities" | "folder">): Promise<Workload> {
  const file = join(project.folder, WORKLOAD_FILE);
  const given = existsSync(file) ? ((await import(pathToFileURL(file).href)) as WorkloadFile) : undefined;
  const entity = given ? named(project, given.entity, file) : usable(project);
  return {
    entity,
    input: given?.input ?? ((unique, random) => exampleVariant(entity, unique, random)),
    change: given?.change ?? exampleChange(entity),
    bulk: () => given?.bulk ?? bulkStatements(entity),
  };
}

function named({ entities }: Pick<Project, "entities">, name: string, file: string): EntityDeclaration {
  const entity = entities.find((one) => one.name === name);
  if (entity) return entity;
  const names = entities.map((one) => one.name).join(", ") || "none";
  throw new UserError(`${file} writes the entity ${name}, which the project lacks; its entities are: ${names}`);
}

function usable({ entities, folder }: Pick<Project, "entities" | "folder">): EntityDeclaration {
  const entity = entities.find(
    (one) =>
      Object.keys(one.references).every((member) => (one.example?.[member] ?? null) === null) &&
      inputSchema(one).safeParse(exampleInput(one, "1")).success &&
      one.replicas.every((replica) => exampleForReplica(one, replica)),
  );
  if (entity) return entity;
  throw new UserError(
    `no entity of the project in ${folder} can be written: bench and load tests need a declaration with an \`example\` ` +
      `that each of its replicas keeps, or a ${WORKLOAD_FILE} beside lockstep.config.ts; another project can be chosen ` +
      "with LOCKSTEP_CONFIG",
  );
}
