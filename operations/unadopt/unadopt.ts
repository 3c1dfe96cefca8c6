/** Removes what Lockstep has put into a source: triggers, functions and its own rows. The owner's rows stay as they are. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import { UserError } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { topicsOf } from "../../contracts/topics.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { connectDedicated, type Sql } from "../../platform/postgres/connect.ts";
import { codeOf } from "../../platform/postgres/errors.ts";

/** A captured table. */
export interface CapturedTable {
  readonly entity: string;
  /** With its schema; the oid as text when the table is gone. */
  readonly relation: string;
}

/** What a run removed, and what it left for a person to remove. */
export interface UnadoptResult {
  readonly removed: readonly CapturedTable[];
  /** True when nothing of Lockstep is left in the source. */
  readonly uninstalled: boolean;
  /** Changes that the log does not have, and that nobody will send. */
  readonly droppedChanges: number;
  readonly remains: Remains;
}

/** What is outside of the source. */
export interface Remains {
  readonly topics: readonly string[];
  /** By replica: the statements that remove its copies. */
  readonly replicas: Readonly<Record<string, readonly string[]>>;
  /** Files that `lockstep adopt` wrote and that are still there: paths from the project's folder. */
  readonly files: readonly string[];
}

/** Settings of a run. */
export interface UnadoptOptions {
  /** Undefined: all tables, and Lockstep's own schema. */
  readonly names: readonly string[] | undefined;
  /** Drops changes that the log does not have, instead of waiting for the relay. */
  readonly force: boolean;
  /** Longest wait for the relay, and for each table's lock. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

const CANARY = "canary";
const LOCK_TIMEOUT_MS = 100;
const RETRY_MS = 200;
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK_DETECTED = "40P01";

/**
 * @throws {UserError} for a name that is not captured; while changes wait for the relay; and while services run that
 * need what `--all` removes.
 * @throws {Error} when the source is unavailable.
 */
export async function unadopt(url: string, project: Project, options: UnadoptOptions): Promise<UnadoptResult> {
  const session = connectDedicated(url, "lockstep-operations");
  try {
    const captured = await readCaptured(session);
    const chosen = options.names ? choose(captured, options.names, project) : captured;
    if (!options.names) await rejectRunningServices(session, options);
    let droppedChanges = 0;
    const removed: CapturedTable[] = [];
    for (const table of chosen.filter(({ entity }) => entity !== CANARY)) {
      options.progress(`${table.relation}: removing its triggers …`);
      droppedChanges += await drainOutbox(session, table.entity, options);
      await removeCapture(session, table.entity, project, options);
      removed.push(table);
    }
    const uninstalled = !options.names && captured.length > 0;
    if (uninstalled) await withShortLocks(session, options, (sql) => sql`select lockstep.uninstall()`);
    const names = new Set(removed.map(({ entity }) => entity));
    const entities = options.names ? project.entities.filter(({ name }) => names.has(name)) : project.entities;
    return { removed, uninstalled, droppedChanges, remains: remainsOf(project, entities) };
  } finally {
    await session.end({ timeout: 1 });
  }
}

async function readCaptured(session: Sql): Promise<CapturedTable[]> {
  const [state] = await session<{ present: boolean }[]>`select to_regclass('lockstep.captured') is not null as present`;
  if (!state!.present) return [];
  return session<CapturedTable[]>`
    select c.entity, coalesce(format('%I.%I', n.nspname, t.relname), c.name) as relation
    from lockstep.captured c left join pg_class t on t.oid = c.relation left join pg_namespace n on n.oid = t.relnamespace
    order by c.entity`;
}

/** Finds what is named: the entity, its plural, or the table with or without its schema. */
function choose(captured: readonly CapturedTable[], names: readonly string[], { entities }: Project): CapturedTable[] {
  return names.map((name) => {
    const plain = name.replaceAll('"', "");
    const entity = entities.find(({ plural }) => plural === name)?.name;
    const found = captured.find(
      (table) =>
        table.entity === name ||
        table.entity === entity ||
        [table.relation, table.relation.replace(/^public\./, "")].some((one) => one.replaceAll('"', "") === plain),
    );
    if (found) return found;
    const list = captured.filter((table) => table.entity !== CANARY).map((table) => table.relation);
    throw new UserError(
      `${name} is not captured; the captured tables are: ${list.join(", ") || "none"}`,
      "NOT_CAPTURED",
    );
  });
}

async function rejectRunningServices(session: Sql, { force }: UnadoptOptions): Promise<void> {
  const rows = await session<{ name: string }[]>`
    select distinct application_name as name from pg_stat_activity
    where datname = current_database() and application_name in ('lockstep-relay', 'lockstep-gateway')`;
  if (rows.length === 0 || force) return;
  throw new UserError(
    `${rows.map(({ name }) => name).join(" and ")} are connected to the source and need what would be removed: stop the services first, or use --force`,
    "SERVICES_RUN",
  );
}

/** Waits until the log has each change of the entity. @returns how many it will never have. */
async function drainOutbox(
  session: Sql,
  entity: string,
  { force, timeoutMs, signal }: UnadoptOptions,
): Promise<number> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const [row] = await session<{ depth: number }[]>`
      select count(*)::int as depth from lockstep.outbox where entity = ${entity}`;
    const { depth } = row!;
    if (depth === 0 || force) return depth;
    if (performance.now() > until)
      throw new UserError(
        `${depth} changes of ${entity} wait for the relay: start it and run this command again, or drop them with --force`,
        "OUTBOX_NOT_EMPTY",
      );
    await sleep(RETRY_MS, signal);
  }
}

/** The record of the capture migration goes too, so that the table can be adopted again. */
async function removeCapture(session: Sql, entity: string, project: Project, options: UnadoptOptions): Promise<void> {
  const plural = project.entities.find(({ name }) => name === entity)?.plural ?? entity;
  await withShortLocks(session, options, async (sql) => {
    await sql`select lockstep.uncapture(${entity})`;
    await sql`delete from lockstep.migrations where name ~ '^[0-9]+-' and substr(name, strpos(name, '-') + 1) = ${`capture-${plural}`}`;
  });
}

/** Repeats a transaction until it gets its locks: writers wait for each attempt for 100 ms at most. */
async function withShortLocks(
  session: Sql,
  { timeoutMs, signal }: UnadoptOptions,
  work: (sql: Sql) => Promise<unknown>,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      // `begin` is safe here: nothing else uses this connection.
      await session.begin(async (transaction) => {
        await transaction`select set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}ms`}, true)`;
        await work(transaction as unknown as Sql);
      });
      return;
    } catch (error) {
      const code = codeOf(error);
      const isBusy = code === LOCK_NOT_AVAILABLE || code === DEADLOCK_DETECTED;
      if (!isBusy || performance.now() > until) throw error;
      await sleep(RETRY_MS * Math.random(), signal);
    }
  }
}

function remainsOf({ migrations, folder }: Project, entities: readonly EntityDeclaration[]): Remains {
  const replicas: Record<string, string[]> = {};
  for (const entity of entities)
    for (const replica of entity.replicas) {
      const tables = [...Object.values(replica.children), replica].map(
        ({ table }) => `drop table ${quotedTable(table)};`,
      );
      // With the record of a fill, `lockstep fill` would not send the rows of a later adoption.
      const records = ["versions", "filled"].map(
        (name) => `delete from lockstep.${name} where entity = '${entity.name}';`,
      );
      replicas[replica.name] = [...(replicas[replica.name] ?? []), ...tables, ...records];
    }
  const isOf = (name: string) => entities.some(({ plural }) => name.replace(/^\d+-/, "") === `capture-${plural}`);
  return {
    topics: entities.flatMap((entity) => topicsOf(entity).map(({ name }) => name)),
    replicas,
    files: [
      ...entities.map(({ name }) => `entities/${name}.ts`),
      ...migrations.source.filter(({ name }) => isOf(name)).map(({ name }) => `migrations/source/${name}.sql`),
    ].filter((file) => existsSync(join(folder, file))),
  };
}
