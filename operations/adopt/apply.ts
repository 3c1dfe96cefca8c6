/**
 * Second half of an adoption: installs capture beside live writers, sends all rows, and compares. Each step finds out in
 * the databases what is done already, so a run that was killed is continued by the next one.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import { UserError } from "../../contracts/errors.ts";
import type { Migration, Project } from "../../contracts/project.ts";
import { createLogger } from "../../observability/logger.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { MigrationLockTimeoutError, migrateBesideWriters } from "../../platform/postgres/migrate-beside-writers.ts";
import { type BackfillResult, backfill } from "../backfill/backfill.ts";
import { ConsumerBackpressure } from "../consumer-backpressure.ts";
import { readSetAside, resendSetAside } from "../dead-letters/set-aside.ts";
import type { VerbContext } from "../verb.ts";
import type { VerifyResult } from "../verify/verify.ts";
import { verifyReplicas } from "../verify/verify-replicas.ts";

/** What a run did, and what it left. */
export interface ApplyResult {
  /** Migrations that this run recorded. */
  readonly installed: readonly string[];
  /** How often a migration was repeated because writers had the table's lock. */
  readonly lockRetries: number;
  /** Entities whose table could not be captured. */
  readonly failed: readonly { readonly entity: string; readonly reason: string }[];
  readonly backfills: readonly (Pick<BackfillResult, "entity" | "sent" | "earlier" | "finished"> & {
    readonly seconds: number;
  })[];
  /** Entities whose rows had all been sent before this run. */
  readonly sentBefore: readonly string[];
  readonly verified: readonly VerifyResult[];
  /** Why the run ended before its last step, with what to do; undefined: it did not. */
  readonly next: string | undefined;
}

/** How to apply. */
export interface ApplyOptions {
  /** Most rows per second. */
  readonly rate: number;
  /** Seconds that one table's lock is tried for. */
  readonly within: number;
  /** Whether the replicas are compared at the end. */
  readonly verify: boolean;
}

/** True for the migration of a project that captures the entity's table: `0002-capture-products`. */
const isCaptureOf = ({ plural }: EntityDeclaration, { name }: Migration): boolean =>
  name.replace(/^\d+-/, "") === `capture-${plural}`;

/** The entities that have been adopted: those with a capture migration. */
export const adoptedEntities = ({ entities, migrations }: Pick<Project, "entities" | "migrations">) =>
  entities.filter((entity) => migrations.source.some((migration) => isCaptureOf(entity, migration)));

/**
 * @param own Lockstep's own migrations of the source.
 * @throws {UserError} when a table's lock cannot be had, or the outbox does not drain.
 * @throws {Error} when the source is unavailable.
 */
export async function applyAdoption(
  context: VerbContext,
  own: readonly Migration[],
  entities: readonly EntityDeclaration[],
  options: ApplyOptions,
): Promise<ApplyResult> {
  const { installed, lockRetries } = await installCapture(context, own, options);
  const failed = await readUncaptured(context.connections.source(), entities);
  const captured = entities.filter(({ name }) => !failed.some(({ entity }) => entity === name));
  const done = { installed, lockRetries, failed };
  const nothing = { ...done, backfills: [], sentBefore: [], verified: [] };
  const next = await nextOfServices(context.connections.source(), captured);
  if (next !== undefined) return { ...nothing, next };
  const { backfills, sentBefore } = await sendAll(context, captured, options);
  const sent = { ...done, backfills, sentBefore };
  const unfinished = backfills.some(({ finished }) => !finished);
  if (unfinished) return { ...sent, verified: [], next: "interrupted: run lockstep adopt --apply again to continue" };
  if (!options.verify) return { ...sent, verified: [], next: undefined };
  const verified = await verifyAll(context, captured);
  const noReplica =
    verified.length === 0 && captured.length > 0
      ? "no replica was compared: start them, then run lockstep verify"
      : undefined;
  return { ...sent, verified, next: noReplica };
}

async function installCapture(
  { connections, project, progress, signal }: VerbContext,
  own: readonly Migration[],
  { within }: ApplyOptions,
): Promise<{ installed: string[]; lockRetries: number }> {
  const url = connections.addresses.source;
  await migrate(url, own, createLogger("operations", "1", "error"));
  const installed: string[] = [];
  let lockRetries = 0;
  const { source } = project.migrations;
  try {
    await migrateBesideWriters(url, source, {
      timeoutMs: within * 1_000,
      signal,
      onApplied: (name) => {
        installed.push(name);
        progress(`${installed.length} migrations of the source: ${name} …`);
      },
      onWait: (name, attempt) => {
        lockRetries++;
        progress(`${name}: waiting for the table's lock, attempt ${attempt} …`);
      },
    });
  } catch (error) {
    if (!(error instanceof MigrationLockTimeoutError)) throw error;
    throw new UserError(
      `migration ${error.migration} did not get the lock of its table within ${within} s: ${await blockersText(connections.source())}; run this command again, nothing is lost`,
      "LOCK_TIMEOUT",
      { cause: error },
    );
  }
  return { installed, lockRetries };
}

/** The transactions that keep a table's lock for long. */
async function blockersText(source: Sql): Promise<string> {
  const rows = await source<{ pid: number; seconds: number; name: string }[]>`
    select pid, extract(epoch from clock_timestamp() - xact_start)::float8 as seconds, application_name as name
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and xact_start < clock_timestamp() - interval '1 s'
    order by xact_start limit 3`;
  if (rows.length === 0) return "its writers never pause for 100 ms; run it at a calmer time";
  return `long transactions hold it: ${rows.map(({ pid, seconds, name }) => `pid ${pid} (${name}, ${seconds.toFixed(0)} s)`).join(", ")}`;
}

/** Entities whose table is not captured, with the reason as far as it is known. */
async function readUncaptured(source: Sql, entities: readonly EntityDeclaration[]): Promise<ApplyResult["failed"]> {
  const list = JSON.stringify(entities.map(({ name, table }) => ({ entity: name, relation: quotedTable(table) })));
  return source<{ entity: string; reason: string }[]>`
    select entity, case when to_regclass(relation) is null then 'there is no table ' || relation
      else relation || ' is not captured: run lockstep capture' end as reason
    from jsonb_to_recordset(${list}::text::jsonb) as t (entity text, relation text)
    where not coalesce(lockstep.is_captured(entity, to_regclass(relation)), false)`;
}

/** What has to happen before rows can be sent; undefined: nothing. */
async function nextOfServices(source: Sql, entities: readonly EntityDeclaration[]): Promise<string | undefined> {
  const names = new Set(entities.map(({ name }) => name));
  const [relay] = await source<{ since: Date | null }[]>`
    select max(backend_start) as since from pg_stat_activity
    where datname = current_database() and application_name = 'lockstep-relay'`;
  const again = "then run lockstep adopt --apply again to send all rows";
  if (!relay!.since) return `no relay runs on the source: start the services, ${again}`;
  // The relay sets changes aside of entities that its own, older project does not declare.
  const undeclared = (await readSetAside(source)).filter(
    ({ entity, deadLetter }) => names.has(entity.name) && deadLetter.reason === "undeclared-entity",
  );
  const newest = Math.max(0, ...undeclared.map(({ deadLetter }) => deadLetter.atMs));
  if (newest > relay!.since.getTime())
    return `the running relay does not declare ${[...new Set(undeclared.map(({ entity }) => entity.name))].join(", ")}: restart the services with the new declarations, ${again}`;
  if (undeclared.length > 0) await resendSetAside(source, undeclared);
  return undefined;
}

async function sendAll(
  { connections, progress, signal }: VerbContext,
  entities: readonly EntityDeclaration[],
  { rate }: ApplyOptions,
): Promise<Pick<ApplyResult, "backfills" | "sentBefore">> {
  const source = connections.source();
  const rows = await source<{ entity: string }[]>`select entity from lockstep.backfills where finished_at is not null`;
  const finished = new Set(rows.map(({ entity }) => entity));
  const backfills: ApplyResult["backfills"][number][] = [];
  const started = performance.now();
  let total = 0;
  for (const entity of entities.filter(({ name }) => !finished.has(name))) {
    if (signal.aborted) break;
    const start = performance.now();
    const backpressure = new ConsumerBackpressure(await connections.log(), entity);
    const onProgress = ({ sent }: { readonly sent: number }) =>
      progress(
        `${entity.plural}: ${sent} rows sent (table ${backfills.length + 1} of ${entities.length - finished.size}; ` +
          `${Math.round((total + sent) / ((performance.now() - started) / 1_000))} rows/s) …`,
      );
    const result = await backfill(source, entity, { rate, from: undefined, backpressure, signal, onProgress });
    total += result.sent;
    const { sent, earlier } = result;
    const seconds = (performance.now() - start) / 1_000;
    backfills.push({ entity: entity.name, sent, earlier, finished: result.finished, seconds });
  }
  return { backfills, sentBefore: entities.map(({ name }) => name).filter((name) => finished.has(name)) };
}

/** Seconds that replicas may take to apply what was sent. */
const APPLY_SECONDS = 300;

/** Most of a comparison is a wait for what is in flight. */
const CONCURRENT_COMPARISONS = 8;

async function verifyAll(context: VerbContext, entities: readonly EntityDeclaration[]): Promise<VerifyResult[]> {
  const scope = { cache: true, share: 1, within: APPLY_SECONDS, knownOnly: true };
  const results = new Map<string, VerifyResult[]>();
  const pending = [...entities];
  const compareNext = async (): Promise<void> => {
    for (let entity = pending.shift(); entity; entity = pending.shift()) {
      const project = { ...context.project, entities: [entity] };
      const progress = () => context.progress(`${results.size} of ${entities.length} tables compared …`);
      results.set(entity.name, await verifyReplicas({ ...context, project, progress }, scope));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_COMPARISONS }, compareNext));
  return entities.flatMap(({ name }) => results.get(name) ?? []);
}
