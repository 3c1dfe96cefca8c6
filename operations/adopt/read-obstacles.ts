/** Asks the source what keeps its tables from being captured: by the same function that installs capture. */
import { UserError } from "../../contracts/errors.ts";
import type { Migration } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { codeOf } from "../../platform/postgres/errors.ts";
import type { Obstacle } from "./plan.ts";

/** A table, and the options with which it would be captured. */
export interface Candidate {
  readonly oid: number;
  readonly options: object;
}

const INSUFFICIENT_PRIVILEGE = "42501";

/**
 * Changes nothing: where Lockstep is not installed yet, it is installed in a transaction that is rolled back.
 *
 * @param session a dedicated connection.
 * @param migrations Lockstep's own of the source.
 * @returns obstacles by the table's oid; tables without an obstacle are missing.
 * @throws {UserError} when the role lacks a right, or an older release of Lockstep is installed.
 */
export async function readObstacles(
  session: Sql,
  migrations: readonly Migration[],
  candidates: readonly Candidate[],
): Promise<Map<number, Obstacle[]>> {
  const [state] = await session<{ schema: boolean; current: boolean }[]>`
    select to_regnamespace('lockstep') is not null as schema,
      to_regprocedure('lockstep.capture_obstacles(regclass,jsonb)') is not null as current`;
  if (state!.current) return ask(session, candidates);
  if (state!.schema)
    throw new UserError(
      "the source has an older release of Lockstep: start the relay or the gateway of this release, which migrate it, then run this command again",
    );
  await session.unsafe("begin");
  try {
    await session.unsafe("create schema lockstep");
    for (const { sql } of migrations) await session.unsafe(sql);
    return await ask(session, candidates);
  } catch (error) {
    if (codeOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new UserError(
      `the role cannot install Lockstep: ${(error as Error).message}; grant create on the database and on the schema public to it (docs/operate/adopt.md)`,
      "FORBIDDEN",
      { cause: error },
    );
  } finally {
    await session.unsafe("rollback");
  }
}

async function ask(session: Sql, candidates: readonly Candidate[]): Promise<Map<number, Obstacle[]>> {
  const list = JSON.stringify(candidates.map(({ oid, options }) => ({ oid, options })));
  const rows = await session<{ oid: string; relation: string; itself: boolean; problem: string; remedy: string }[]>`
    select c.oid::int8 as oid, o.relation::text as relation, o.relation::oid = c.oid as itself, o.problem, o.remedy
    from jsonb_to_recordset(${list}::text::jsonb) as c (oid oid, options jsonb),
      lateral lockstep.capture_obstacles(c.oid::regclass, c.options) o`;
  const found = new Map<number, Obstacle[]>();
  for (const { oid, relation, itself, problem, remedy } of rows) {
    const obstacle = { problem: itself ? problem : `has ${relation}, which ${problem}`, remedy };
    found.set(Number(oid), [...(found.get(Number(oid)) ?? []), obstacle]);
  }
  return found;
}
