/** Reads what is wrong with the capture of the source's tables. Relay and operations ask the same question. */
import { quotedTable } from "../contracts/entity/table.ts";
import type { Project } from "../contracts/project.ts";
import { listText, type Sql } from "../platform/postgres/connect.ts";

/** Why changes of a table are not captured. */
export interface CaptureProblem {
  /** Name of the entity. */
  readonly entity: string;
  /** The table, with its schema. */
  readonly relation: string;
  /** Continues the sentence that begins with `relation`. */
  readonly problem: string;
  /** What to do, as a sentence without its subject: "run lockstep capture". */
  readonly remedy: string;
}

/**
 * Checks the capture of every declared entity in the source's catalog. It takes about 5 ms in the database.
 *
 * @returns an empty list when every change is captured.
 * @throws {Error} when the source is unavailable.
 */
export const readCaptureProblems = async (
  source: Sql,
  { allEntities }: Pick<Project, "allEntities">,
): Promise<readonly CaptureProblem[]> => {
  const names = listText(allEntities.map(({ name }) => name));
  const tables = listText(allEntities.map(({ table }) => quotedTable(table)));
  return await source<CaptureProblem[]>`
    select entity, relation, problem, remedy from lockstep.capture_problems(
      ${names}::text[], array(select to_regclass(name) from unnest(${tables}::text[]) with ordinality t (name, n) order by n))
    order by entity, relation, problem`;
};

/** A problem with its remedy, on one line. */
export const captureProblemText = ({ relation, problem, remedy }: CaptureProblem): string =>
  `${relation} ${problem}: ${remedy}`;
