/** The SQLite file of the version store: its statements, and files of earlier releases. */
import { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import type { KnownVersion } from "../contracts/known-version.ts";
import type { Checkpoint, PartitionKey } from "./checkpoint.ts";
import schemaText from "./version-store.sql" with { type: "text" };

/** A version, and the number of the flush to the versions topic that will contain it. 0: the topic has it. */
export interface StoredVersion {
  readonly flush: number;
  readonly known: KnownVersion;
}

/** What a save writes of one partition. */
export interface PartitionUpdate {
  readonly key: PartitionKey;
  readonly changes: ReadonlyMap<EntityId, StoredVersion>;
  /** Undefined: the progress stays as it is. */
  readonly checkpoint?: Checkpoint | undefined;
  /** Number of the last flush that the versions topic has. */
  readonly flushed: number;
}

/** What the file has of one partition, without the versions that the versions topic has. */
export interface StoredPartition {
  readonly checkpoint: Checkpoint | undefined;
  /** Number of the last flush that the versions topic has. */
  readonly flushed: number;
  /** Largest number of a flush that a version belongs to. */
  readonly lastFlush: number;
  readonly unflushed: Map<EntityId, KnownVersion>;
}

/** Rows per page of {@link VersionFile.pages}. */
const PAGE_ROWS = 1_000;
/** Up to this number of ids, one statement per id costs less than one for a list. */
const MAX_SINGLE_LOOKUPS = 2;

/** All methods throw when SQLite cannot read or write the file, for example on a full disk. */
export class VersionFile implements Disposable {
  private readonly db: Database;
  private readonly selectVersion;
  private readonly selectVersions;
  private readonly upsertVersions;
  private readonly upsertCheckpoint;

  /**
   * Opens or creates the file. An unreadable file is replaced, because the versions topic has the same state.
   *
   * @param file its path, or an open database.
   */
  constructor(file: string | Database) {
    this.db = typeof file === "string" ? open(file) : prepare(file);
    this.selectVersion = this.db.query<{ version: Version }, [string, string]>(
      "select version from known where scope = ?1 and id = ?2",
    );
    // Lists are passed as JSON: one statement for a chunk costs a fifth of one statement per event.
    this.selectVersions = this.db.query<{ id: EntityId; version: Version }, [string, string]>(
      "select id, version from known where scope = ?1 and id in (select value from json_each(?2))",
    );
    this.upsertVersions = this.db.query<null, [string, string]>(
      `insert into known (scope, flush, id, version, absent)
       select ?1, value ->> 0, value ->> 1, value ->> 2, nullif(value ->> 3, '[]') from json_each(?2) where true
       on conflict (scope, id) do update
         set version = excluded.version, absent = excluded.absent, flush = excluded.flush
       where excluded.version >= version`,
    );
    this.upsertCheckpoint = this.db.query<null, [string, number, string, string, number]>(
      `insert into checkpoint (scope, next, ends, more, flushed) values (?1, ?2, ?3, ?4, ?5)
       on conflict (scope) do update
         set next = excluded.next, ends = excluded.ends, more = excluded.more, flushed = excluded.flushed`,
    );
  }

  /** Adds the version of each of these entities to `found`. An entity that the file lacks is not added. */
  addVersions(key: PartitionKey, ids: readonly EntityId[], found: Map<EntityId, Version>): void {
    if (ids.length > MAX_SINGLE_LOOKUPS) {
      for (const { id, version } of this.selectVersions.all(key, JSON.stringify(ids))) found.set(id, version);
      return;
    }
    for (const id of ids) {
      const row = this.selectVersion.get(key, id);
      if (row) found.set(id, row.version);
    }
  }

  /**
   * Writes versions and progress of all these partitions in one transaction. An older version never replaces a newer
   * one.
   */
  save(updates: readonly PartitionUpdate[]): void {
    this.db.transaction(() => {
      for (const { key, changes, checkpoint, flushed } of updates) {
        const rows = [...changes].map(([id, { flush, known }]) => [flush, id, known.version, known.absent]);
        if (rows.length > 0) this.upsertVersions.run(key, JSON.stringify(rows));
        if (!checkpoint) continue;
        const { next, ends, ...more } = checkpoint;
        this.upsertCheckpoint.run(key, next, JSON.stringify(ends), JSON.stringify(more), flushed);
      }
    })();
  }

  /** Reads everything of a partition that memory needs. */
  load(key: PartitionKey): StoredPartition {
    const row = this.db
      .query<{ next: number; ends: string; more: string | null; flushed: number }, [string]>(
        "select next, ends, more, flushed from checkpoint where scope = ?1",
      )
      .get(key);
    const flushed = row?.flushed ?? 0;
    const rows = this.db
      .query<KnownRow, [string, number]>("select id, version, absent from known where scope = ?1 and flush > ?2")
      .all(key, flushed);
    const last = this.db
      .query<{ last: number | null }, [string]>("select max(flush) as last from known where scope = ?1")
      .get(key)?.last;
    return {
      checkpoint: row ? { ...JSON.parse(row.more ?? "{}"), next: row.next, ends: JSON.parse(row.ends) } : undefined,
      flushed,
      lastFlush: last ?? 0,
      unflushed: new Map(rows.map(knownOf)),
    };
  }

  /** Returns everything that the file knows of a partition, in pages. */
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

  [Symbol.dispose](): void {
    this.db.close();
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
  // 16 MiB instead of 4: a page that changes often is copied from the WAL to the file less often.
  db.run("pragma wal_autocheckpoint = 4096");
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
