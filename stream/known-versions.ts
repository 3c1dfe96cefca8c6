/**
 * What the stream remembers: of each entity the newest version, and how far each input partition was processed. Kept in a local SQLite file, so that memory stays flat as entities grow; the versions topic
 * carries the same to another machine. Always a state that was true after some input offset: both are written together.
 */
import { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import type { EntityId, Version } from "../contracts/entity.ts";

export interface Checkpoint {
  /** Offset of the first input record that is not in the state. */
  readonly next: number;
  /** Topic → where its partition ended when the state was written: outputs of later input stand at or after it. */
  readonly ends: Readonly<Record<string, number>>;
}

/** One input partition: `products.events/3`. */
export type Scope = string;

const schema = `
  create table if not exists known (
    scope text not null, id text not null, version integer not null,
    flushed integer not null, -- 1: the versions topic has it
    primary key (scope, id)
  ) without rowid;
  create index if not exists unflushed on known (scope) where flushed = 0;
  create table if not exists checkpoint (scope text primary key, next integer not null, ends text not null) without rowid;
`;

export class KnownVersions implements Disposable {
  private readonly db: Database;
  private readonly select;
  private readonly upsert;
  private readonly mark;

  /** Opens or creates the file. A file that cannot be read is replaced: the log has the same content. */
  constructor(file: string) {
    this.db = open(file);
    this.select = this.db.query<{ version: Version }, [string, string]>(
      "select version from known where scope = ?1 and id = ?2",
    );
    this.upsert = this.db.query<null, [string, string, Version, number]>(
      `insert into known (scope, id, version, flushed) values (?1, ?2, ?3, ?4)
       on conflict (scope, id) do update set version = excluded.version, flushed = excluded.flushed
       where excluded.version >= version`,
    );
    this.mark = this.db.query<null, [string, number, string]>(
      "insert into checkpoint (scope, next, ends) values (?1, ?2, ?3) on conflict (scope) do update set next = excluded.next, ends = excluded.ends",
    );
  }

  get(scope: Scope, id: EntityId): Version | undefined {
    return this.select.get(scope, id)?.version;
  }

  /** Remembers what a step decided and the checkpoint that it reached, all or nothing. */
  remember(scope: Scope, changes: ReadonlyMap<EntityId, Version>, checkpoint: Checkpoint): void {
    this.db.transaction(() => {
      for (const [id, version] of changes) this.upsert.run(scope, id, version, 0);
      this.mark.run(scope, checkpoint.next, JSON.stringify(checkpoint.ends));
    })();
  }

  /** Takes over what the versions topic says; older versions never replace newer ones. */
  restore(scope: Scope, changes: ReadonlyMap<EntityId, Version>, checkpoint: Checkpoint | undefined): void {
    this.db.transaction(() => {
      for (const [id, version] of changes) this.upsert.run(scope, id, version, 1);
      if (checkpoint) this.mark.run(scope, checkpoint.next, JSON.stringify(checkpoint.ends));
    })();
  }

  /** Everything that the versions topic does not have yet. Survives a crash, so no later checkpoint can leave it out. */
  unflushed(scope: Scope): Map<EntityId, Version> {
    const rows = this.db
      .query<{ id: EntityId; version: Version }, [string]>(
        "select id, version from known where scope = ?1 and flushed = 0",
      )
      .all(scope);
    return new Map(rows.map(({ id, version }) => [id, version]));
  }

  /** The versions topic has these now. An entity that changed again in the meantime stays unflushed. */
  markFlushed(scope: Scope, changes: ReadonlyMap<EntityId, Version>): void {
    const query = this.db.query<null, [string, string, number]>(
      "update known set flushed = 1 where scope = ?1 and id = ?2 and version = ?3",
    );
    this.db.transaction(() => {
      for (const [id, version] of changes) query.run(scope, id, version);
    })();
  }

  checkpoint(scope: Scope): Checkpoint | undefined {
    const row = this.db
      .query<{ next: number; ends: string }, [string]>("select next, ends from checkpoint where scope = ?1")
      .get(scope);
    return row ? { next: row.next, ends: JSON.parse(row.ends) } : undefined;
  }

  /** Forgets a partition, whose topic was made anew. */
  forget(scope: Scope): void {
    this.db.transaction(() => {
      this.db.query("delete from known where scope = ?1").run(scope);
      this.db.query("delete from checkpoint where scope = ?1").run(scope);
    })();
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}

function open(file: string): Database {
  const attempt = () => {
    const db = new Database(file, { create: true });
    db.run("pragma journal_mode = wal");
    // In WAL mode a crash of the machine then loses the last commits at most: the state is older, not wrong.
    db.run("pragma synchronous = normal");
    db.run("pragma cache_size = -16384"); // 16 MiB, however many entities there are
    db.run(schema);
    return db;
  };
  try {
    return attempt();
  } catch {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    return attempt();
  }
}
