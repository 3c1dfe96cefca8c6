/** Repairs the capture of the source's tables. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import type { Project } from "../../contracts/project.ts";
import { type CaptureProblem, readCaptureProblems } from "../../pipeline/capture-problems.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { sourceTable } from "../verify/declared-table.ts";

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

/** A captured entity keeps its options. Another one gets those of its declaration. */
async function captureTable(source: Sql, entity: EntityDeclaration): Promise<void> {
  const table = quotedTable(entity.table);
  const [row] = await source<{ relation: string | null; is_captured: boolean }[]>`
    select to_regclass(${table})::text as relation,
      exists (select from lockstep.captured where entity = ${entity.name}) as is_captured`;
  const { relation, is_captured } = row!;
  if (relation === null) throw new Error(`there is no table ${table}`);
  if (is_captured) await source`select lockstep.capture(${relation}::text::regclass, ${entity.name}::text)`;
  else
    await source`
      select lockstep.capture(
        ${relation}::text::regclass, ${entity.name}::text, ${JSON.stringify(captureOptions(entity))}::text::jsonb)`;
}

/** The options of `lockstep.capture` that follow from the declaration. All names but `member` are of columns. */
export function captureOptions(entity: EntityDeclaration): object {
  const { fields, version, createdAt, updatedAt, truncate } = entity;
  const columnOf = (member: string | undefined) => (member === undefined ? null : fields[member]!.column);
  const { key, children } = sourceTable(entity);
  return {
    key,
    version: columnOf(version),
    createdAt: columnOf(createdAt),
    updatedAt: columnOf(updatedAt),
    truncate,
    children: children.map(({ member, table, key, parentKey }) => ({
      member,
      relation: quotedTable(table),
      key,
      parentKey,
    })),
  };
}
