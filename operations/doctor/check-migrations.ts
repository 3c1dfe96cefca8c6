/** Compares the migrations of a database with those that have run. */
import type { Migration } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { pendingOf, readApplied } from "../../platform/postgres/migrate.ts";
import type { Findings } from "./finding.ts";

/** @throws {Error} when the database is unavailable. */
export async function checkMigrations(
  session: Sql,
  migrations: readonly Migration[],
  findings: Findings,
  { isInstalled, pending: whatInstalls }: { readonly isInstalled: boolean; readonly pending: string },
): Promise<void> {
  if (!isInstalled) return findings.ok(`Lockstep is not installed yet: ${whatInstalls}`);
  try {
    const names = pendingOf(migrations, await readApplied(session)).map(({ name }) => name);
    if (names.length === 0) findings.ok(`all ${migrations.length} migrations have run`);
    else findings.warn(`${names.length} migrations have not run: ${names.slice(0, 5).join(", ")}`, whatInstalls);
  } catch (error) {
    if (!/^migration .* has changed/.test((error as Error).message)) throw error;
    findings.fail((error as Error).message, "restore the file from version control");
  }
}
