/** Repairs the capture of the source's tables. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Project } from "../../contracts/project.ts";
import { type CaptureProblem, readCaptureProblems } from "../../pipeline/capture-problems.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

/** What `lockstep capture` did and what it left. */
export interface CaptureResult {
  /** Entities whose table is captured again. */
  readonly repaired: readonly string[];
  /** Entities whose table could not be captured, with the database's reason. */
  readonly failed: readonly { readonly entity: string; readonly reason: string }[];
  /** The problems that remain. */
  readonly problems: readonly CaptureProblem[];
}

/** SQLSTATE with which `lockstep.capture` rejects a table that has one of the problems that the check lists. */
const OBSTACLE = "42809";

/**
 * Captures each table again that has a problem. A table that replaced the captured one by its name is captured instead of
 * it. Writers of a table wait meanwhile, for 5 s at most.
 *
 * @param options.dryRun changes nothing.
 * @throws {Error} when the source is unavailable.
 */
export async function repairCapture(
  source: Sql,
  project: Pick<Project, "allEntities">,
  options: { readonly dryRun?: boolean } = {},
): Promise<CaptureResult> {
  const found = await readCaptureProblems(source, project);
  if (found.length === 0 || options.dryRun) return { repaired: [], failed: [], problems: found };
  const repaired: string[] = [];
  const failed: { entity: string; reason: string }[] = [];
  for (const entity of project.allEntities.filter(({ name }) => found.some((problem) => problem.entity === name)))
    try {
      await captureTable(source, entity);
      repaired.push(entity.name);
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      if (code !== OBSTACLE) failed.push({ entity: entity.name, reason: message });
    }
  return { repaired, failed, problems: await readCaptureProblems(source, project) };
}

async function captureTable(source: Sql, { name, plural }: EntityDeclaration): Promise<void> {
  const [row] = await source<{ relation: string | null }[]>`select to_regclass(${plural})::text as relation`;
  if (row!.relation === null) throw new Error(`there is no table ${plural}`);
  await source`select lockstep.capture(${row!.relation}::text::regclass, ${name})`;
}
