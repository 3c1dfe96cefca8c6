/** The workload of a project as k6 can read it: k6 runs no Node modules, so it cannot load declarations. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { exampleDocument } from "../../contracts/entity/example.ts";
import { UserError } from "../../contracts/errors.ts";
import { randomFrom } from "../workload/random.ts";
import type { Workload } from "../workload/workload.ts";

/** Text that k6 replaces in each document. */
const UNIQUE = "k6-unique";
const INPUTS = 20;
const CHANGES = 50;
const ATTEMPTS = 1_000;

/**
 * The environment variable WORKLOAD of the scripts (k6/workload.ts): documents that each replica of the entity keeps.
 * The same workload gives the same text.
 *
 * @throws {UserError} when no document is kept by all of them.
 */
export function k6Workload({ entity, input, change }: Workload): string {
  const random = randomFrom(1);
  const inputs = new Set<string>();
  for (let i = 0; i < ATTEMPTS && inputs.size < INPUTS; i++) {
    const document = input(UNIQUE, random);
    if (isKept(entity, document)) inputs.add(JSON.stringify(document));
  }
  if (inputs.size === 0)
    throw new UserError(`no document of ${entity.name} that the workload makes is kept by all of its replicas`);
  const changes = Array.from({ length: CHANGES }, () => change(random));
  return JSON.stringify({ collection: entity.plural, unique: UNIQUE, inputs: [...inputs], changes });
}

function isKept(entity: EntityDeclaration, input: Document): boolean {
  const document = exampleDocument({ ...entity, example: input });
  return document !== undefined && entity.replicas.every(({ filter }) => filter(document));
}
