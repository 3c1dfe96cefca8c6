/**
 * Step 5 of the stream, in a local SQLite file: the newest version of each entity with the replicas that must not have
 * it, and the progress of each input partition.
 *
 * Memory stays constant as the number of entities grows. Versions and progress are written together, so the state is
 * always that of one input offset. The versions topic carries the same state to other machines.
 */
import { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import type { KnownVersion } from "../contracts/known-version.ts";
import type { Checkpoint } from "./checkpoint.ts";
import schemaText from "./version-store.sql" with { type: "text" };

/** The changes of one flush: {@link VersionStore.unflushed}. */
interface Unflushed {
  /** Number of the flush, rising per partition. */
  readonly flush: number;
  readonly changes: ReadonlyMap<EntityId, KnownVersion>;
}

/** Rows per page of {@link VersionStore.pages}. */
const PAGE_ROWS = 1_000;

/** Name of an input partition: `products.events/3`. */
export type PartitionKey = string;

/** Changes that the versions topic may lack, and the number of the flush that will contain them. */
interface Pending {
  flush: number;
  readonly changes: Map<EntityId, KnownVersion>;
}

/** All methods throw when SQLite cannot read or write the file, for example on a full disk. */
export class VersionStore implements Disposable {
  private readonly db: Database;
  private readonly selectNewest;
  private readonly upsertVersions;
  private readonly upsertCheckpoint;
  private readonly pending = new Map<PartitionKey, Pending>();

  /**
   * Opens or creates the file. An unreadable file is replaced, because the versions topic has the same state.
   *
   * @param file its path, or an open database.
   */
  constructor(file: string | Database) {
    this.db = typeof file === "string" ? open(file) : prepare(file);
    // Lists are passed as JSON: one statement for a chunk costs a fifth of one statement per event.
    this.selectNewest = this.db.query<{ id: EntityId; version: Version }, [string, string]>(
      "select id, version from known where scope = ?1 and id in (select value from json_each(?2))",
    );
    this.upsertVersions = this.db.query<null, [string, number, string]>(
      `insert into known (scope, flush, id, version, absent)
       select ?1, ?2, value ->> 0, value ->> 1, nullif(value ->> 2, '[]') from json_each(?3) where true
       on conflict (scope, id) do update
         set version = excluded.version, absent = excluded.absent, flush = excluded.flush
       where excluded.version >= version`,
    );
    this.upsertCheckpoint = this.db.query<null, [string, number, string, string]>(
      `insert into checkpoint (scope, next, ends, more) values (?1, ?2, ?3, ?4)
       on conflict (scope) do update set next = excluded.next, ends = excluded.ends, more = excluded.more`,
    );
  }

  /** Returns the newest version of each of these entities. New entities are missing. */
  newest(key: PartitionKey, ids: readonly EntityId[]): Map<EntityId, Version> {
    return new Map(this.selectNewest.all(key, JSON.stringify(ids)).map(({ id, version }) => [id, version]));
  }

  /** Saves the changes of a chunk and its checkpoint in one transaction. */
  remember(key: PartitionKey, changes: ReadonlyMap<EntityId, KnownVersion>, checkpoint: Checkpoint): void {
    const pending = this.pendingOf(key);
    this.save(key, pending.flush, changes, checkpoint);
    for (const [id, known] of changes) pending.changes.set(id, known);
  }

  /** Adds what the versions topic has. An older version never replaces a newer one. */
  restore(key: PartitionKey, changes: ReadonlyMap<EntityId, KnownVersion>, checkpoint: Checkpoint | undefined): void {
    const { flush, changes: pending } = this.pendingOf(key);
    const conflicts = new Map<EntityId, KnownVersion>();
    for (const [id, { version, absent }] of changes) {
      const unflushed = pending.get(id);
      if (!unflushed || version < unflushed.version) continue;
      if (version > unflushed.version || isEqual(absent, unflushed.absent)) pending.delete(id);
      // The version was sent again to other replicas. Which of the two is newer is unknown, so neither proves anything.
      else conflicts.set(id, { version, absent: [] });
    }
    this.save(key, 0, changes, checkpoint);
    this.save(key, flush, conflicts, undefined);
    for (const [id, known] of conflicts) pending.set(id, known);
  }

  /** Returns all changes that the versions topic may lack. They survive a crash, so every later flush contains them. */
  unflushed(key: PartitionKey): Unflushed {
    const pending = this.pendingOf(key);
    return { flush: pending.flush++, changes: new Map(pending.changes) };
  }

  /**
   * Marks changes as stored in the versions topic. An entity that changed again since then stays unflushed.
   *
   * @param stored the versions topic and its end.
   */
  markFlushed(key: PartitionKey, { flush, changes }: Unflushed, stored: { topic: string; end: number }): void {
    const pending = this.pendingOf(key);
    for (const [id, known] of changes) if (pending.changes.get(id) === known) pending.changes.delete(id);
    this.db
      .query("update checkpoint set flushed = ?2, ends = json_set(ends, ?3, ?4) where scope = ?1")
      .run(key, flush, `$."${stored.topic}"`, stored.end);
  }

  /** Returns everything that is known of a partition, in pages. */
  *pages(key: PartitionKey): Generator<ReadonlyMap<EntityId, KnownVersion>> {
    const query = this.db.query<KnownRow, [string, string, number]>(
      "select id, version, absent from known where scope = ?1 and id > ?2 order by id limit ?3",
    );
    for (let after = ""; ; ) {
      const rows = query.all(key, after, PAGE_ROWS);
      if (rows.length > 0) yield new Map(rows.map(knownOf));
      if (rows.length < PAGE_ROWS) return;
      after = rows.at(-1)!.id;
    }
  }

  /** Returns the progress of a partition; undefined when nothing of it was processed. */
  checkpoint(key: PartitionKey): Checkpoint | undefined {
    const row = this.db
      .query<{ next: number; ends: string; more: string | null }, [string]>(
        "select next, ends, more from checkpoint where scope = ?1",
      )
      .get(key);
    return row ? { ...JSON.parse(row.more ?? "{}"), next: row.next, ends: JSON.parse(row.ends) } : undefined;
  }

  [Symbol.dispose](): void {
    this.db.close();
  }

  private save(
    key: PartitionKey,
    flush: number,
    changes: ReadonlyMap<EntityId, KnownVersion>,
    checkpoint: Checkpoint | undefined,
  ): void {
    this.db.transaction(() => {
      const rows = [...changes].map(([id, { version, absent }]) => [id, version, absent]);
      this.upsertVersions.run(key, flush, JSON.stringify(rows));
      if (!checkpoint) return;
      const { next, ends, ...more } = checkpoint;
      this.upsertCheckpoint.run(key, next, JSON.stringify(ends), JSON.stringify(more));
    })();
  }

  /** Reads the unflushed changes from the file once; after that, memory and file hold the same changes. */
  private pendingOf(key: PartitionKey): Pending {
    const found = this.pending.get(key);
    if (found) return found;
    const flushed =
      this.db.query<{ flushed: number }, [string]>("select flushed from checkpoint where scope = ?1").get(key)
        ?.flushed ?? 0;
    const rows = this.db
      .query<KnownRow, [string, number]>("select id, version, absent from known where scope = ?1 and flush > ?2")
      .all(key, flushed);
    const last = this.db
      .query<{ last: number | null }, [string]>("select max(flush) as last from known where scope = ?1")
      .get(key)?.last;
    const flush = Math.max(flushed, last ?? 0) + 1;
    const pending = { flush, changes: new Map(rows.map(knownOf)) };
    this.pending.set(key, pending);
    return pending;
  }
}

interface KnownRow {
  readonly id: EntityId;
  readonly version: Version;
  readonly absent: string | null;
}

const knownOf = ({ id, version, absent }: KnownRow): [EntityId, KnownVersion] => [
  id,
  { version, absent: JSON.parse(absent ?? "[]") },
];

const isEqual = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);

function open(file: string): Database {
  try {
    return openFile(file);
  } catch {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    return openFile(file);
  }
}

const openFile = (file: string): Database => prepare(new Database(file, { create: true }));

function prepare(db: Database): Database {
  db.run("pragma journal_mode = wal");
  // In WAL mode a crash of the machine can lose the last commits. The state is then older, not wrong.
  db.run("pragma synchronous = normal");
  db.run("pragma cache_size = -16384"); // 16 MiB
  db.run(schemaText);
  // Files of earlier releases lack these columns. Their entities prove nothing until their next event.
  for (const [table, column] of [
    ["known", "absent"],
    ["checkpoint", "more"],
  ] as const) {
    const found = db.query("select name from pragma_table_info(?1) where name = ?2").get(table, column);
    if (!found) db.run(`alter table ${table} add column ${column} text`);
  }
  return db;
}
