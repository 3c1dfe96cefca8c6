/** Checks of the source: server, rights, tables, capture, migrations. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import type { Migration, Project } from "../../contracts/project.ts";
import { captureProblemText, readCaptureProblems } from "../../pipeline/capture-problems.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { checkMigrations } from "./check-migrations.ts";
import { checkServer } from "./check-server.ts";
import { checkTables, type DeclaredTable } from "./check-tables.ts";
import type { Findings } from "./finding.ts";

/**
 * @param session a dedicated connection.
 * @param migrations all of the source, in their order.
 * @throws {Error} when the source is unavailable.
 */
export async function checkSource(
  session: Sql,
  project: Project,
  migrations: readonly Migration[],
  findings: Findings,
): Promise<void> {
  const { isInstalled, role } = await checkServer(session, findings);
  await checkMigrations(session, migrations, findings, {
    isInstalled,
    pending: "start the relay or the gateway, or run lockstep adopt --apply: they install it",
  });
  const declared = project.entities.flatMap(sourceTables);
  const problems = findings.list.length;
  const existing = await checkTables(session, declared, findings, {
    missing: isInstalled
      ? "create it by a migration of the project, or correct the declaration"
      : "the first start creates it, if a migration of the project does",
    drifted: "change the declaration, or the table by a migration (docs/schema-changes.md)",
    isExact: true,
  });
  if (findings.list.length === problems && existing.length > 0)
    findings.ok(`${existing.length} tables are as declared`);
  await checkRights(session, existing, role, findings);
  if (isInstalled) await checkCapture(session, project, findings);
}

/** The entity's table and those of its children. */
function sourceTables(entity: EntityDeclaration): DeclaredTable[] {
  const columnsOf = (fields: EntityDeclaration["fields"], members: readonly string[]) =>
    members.map((member) => fields[member]!.column);
  return [
    { entity: entity.name, table: entity.table, fields: entity.fields, key: columnsOf(entity.fields, entity.key) },
    ...Object.values(entity.children).map(({ table, fields, parentKey, key }) => ({
      entity: entity.name,
      table,
      fields,
      key: columnsOf(fields, [...parentKey, ...key]),
    })),
  ];
}

/** Capture needs triggers, the backfill reads, and the gateway writes. */
const RIGHTS = ["select", "insert", "update", "delete", "trigger"] as const;

async function checkRights(
  session: Sql,
  tables: readonly DeclaredTable[],
  role: string,
  findings: Findings,
): Promise<void> {
  const list = JSON.stringify(tables.map(({ table }) => quotedTable(table)));
  const rows = await session<{ relation: string; missing: string[] }[]>`
    select relation, missing from jsonb_array_elements_text(${list}::text::jsonb) as t (relation),
      lateral (select coalesce(json_agg(r), '[]') as missing from jsonb_array_elements_text(${JSON.stringify(RIGHTS)}::text::jsonb) as w (r)
        where not has_table_privilege(to_regclass(relation), r)) m
    where json_array_length(missing) > 0`;
  for (const { relation, missing } of rows)
    findings.fail(
      `role ${role} lacks rights on ${relation}: ${missing.join(", ")}`,
      `grant ${missing.join(", ")} on ${relation} to "${role}"`,
    );
  if (rows.length === 0 && tables.length > 0) findings.ok(`role ${role} has the rights that capture needs`);
}

async function checkCapture(session: Sql, project: Project, findings: Findings): Promise<void> {
  const [state] = await session<{ current: boolean }[]>`
    select to_regprocedure('lockstep.capture_problems(text[],regclass[])') is not null as current`;
  if (!state!.current) return;
  const problems = await readCaptureProblems(session, project);
  for (const problem of problems) findings.fail(captureProblemText(problem), "run lockstep capture");
  if (problems.length === 0) findings.ok("every change is captured");
  const [row] = await session<{ n: number }[]>`select count(*)::int as n from lockstep.set_aside`;
  if (row!.n > 0)
    findings.warn(`${row!.n} changes could not be sent and are set aside`, "lockstep dead-letters list shows them");
}
