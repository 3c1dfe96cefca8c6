/** Checks of a replica's database: server, migrations, tables, and whether it was ever filled. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Project } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { findUnfilled } from "../fill/find-unfilled.ts";
import { checkServer } from "./check-server.ts";
import { checkTables, type DeclaredTable } from "./check-tables.ts";
import type { Findings } from "./finding.ts";

/**
 * @param session a dedicated connection to the replica's database.
 * @param source the source; undefined: it cannot be read.
 * @throws {Error} when the replica's database is unavailable.
 */
export async function checkReplica(
  session: Sql,
  source: Sql | undefined,
  project: Project,
  replica: string,
  findings: Findings,
): Promise<void> {
  const { isInstalled } = await checkServer(session, findings);
  if (!isInstalled) return findings.ok(`is empty: lockstep replica ${replica} creates its tables at its first start`);
  const [schema] = await session<{ current: boolean }[]>`
    select to_regclass('lockstep.filled') is not null as current`;
  if (!schema!.current)
    return findings.warn("has the tables of an earlier release", `restart the replica ${replica}, which migrates them`);
  const tables = project.entities.flatMap((entity) =>
    entity.replicas.filter(({ name }) => name === replica).flatMap((one) => replicaTables(entity, one)),
  );
  const before = findings.list.length;
  const existing = await checkTables(session, tables, findings, {
    missing: `restart the replica, which runs migrations/${replica}/*.sql; add a migration if none creates the table`,
    drifted: `add a migration to migrations/${replica} (docs/schema-changes.md)`,
    isExact: false,
  });
  if (findings.list.length === before && existing.length > 0) findings.ok(`${existing.length} tables are as declared`);
  if (source) await checkFilled(session, source, project, replica, findings);
}

function replicaTables({ name, key }: EntityDeclaration, replica: ReplicaDeclaration): DeclaredTable[] {
  const columnsOf = (fields: EntityDeclaration["fields"], members: readonly string[]) =>
    members.flatMap((member) => fields[member]?.column ?? []);
  return [
    { entity: name, table: replica.table, fields: replica.fields, key: columnsOf(replica.fields, key) },
    ...Object.values(replica.children).map(({ table, fields, parentKey, key: own }) => ({
      entity: name,
      table,
      fields,
      key: columnsOf(fields, [...parentKey, ...own]),
    })),
  ];
}

async function checkFilled(
  session: Sql,
  source: Sql,
  project: Project,
  replica: string,
  findings: Findings,
): Promise<void> {
  const entities = project.entities.map((entity) => ({
    ...entity,
    replicas: entity.replicas.filter(({ name }) => name === replica),
  }));
  const unfilled = await findUnfilled({ source, replica: () => session }, { entities });
  for (const { entity, rows, versions } of unfilled)
    findings.warn(
      versions === 0
        ? `never got a row of ${entity.name}; the source has ${rows}`
        : `has ${versions} of ${rows} ${entity.plural}; the rest may be in flight`,
      "lockstep fill sends the rows once the services run",
    );
  if (unfilled.length === 0) findings.ok("has been sent all rows");
}
