/**
 * What the stream remembers: of each entity the newest version, and how far each input partition was processed. Kept in a local SQLite file, so that memory stays flat as entities grow; the versions topic
 * carries the same to another machine. Always a state that was true after some input offset: both are written together.
 */
import { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import type { EntityId, Version } from "../contracts/entity/document.ts";

export interface Checkpoint {
  /** Offset of the first input record that is not in the state. */
  readonly next: number;
  /** Topic → where its partition ended when the state was written: outputs of later input stand at or after it. */
  readonly ends: Readonly<Record<string, number>>;
}

/** What is on its way to the versions topic: {@link VersionStore.unflushed}. */
export interface Unflushed {
  readonly flush: number;
  readonly changes: ReadonlyMap<EntityId, Version>;
}

/** One input partition: `products.events/3`. */
export type PartitionKey = string;

const schema = `
  create table if not exists known (
    scope text not null, id text not null, version integer not null,
    flush integer not null, -- the versions topic has it from this flush of the scope on
    primary key (scope, id)
  ) without rowid;
  create table if not exists checkpoint (
    scope text primary key, next integer not null, ends text not null,
    flushed integer not null default 0 -- last flush that the versions topic is known to have
  ) without rowid;
`;

/** Changes that the versions topic may lack, and the number of the flush that will bring them. */
interface Pending {
  flush: number;
  readonly changes: Map<EntityId, Version>;
}

export class VersionStore implements Disposable {
  private readonly db: Database;
  private readonly select;
  private readonly upsert;
  private readonly mark;
  private readonly pending = new Map<PartitionKey, Pending>();

  /** Opens or creates the file. A file that cannot be read is replaced: the log has the same content. */
  constructor(file: string) {
    this.db = open(file);
    // Lists as JSON: one statement for a step costs a fifth of one for each of its events.
    this.select = this.db.query<{ id: EntityId; version: Version }, [string, string]>(
      "select id, version from known where scope = ?1 and id in (select value from json_each(?2))",
    );
    this.upsert = this.db.query<null, [string, number, string]>(
      `insert into known (scope, flush, id, version)
       select ?1, ?2, value ->> 0, value ->> 1 from json_each(?3) where true
       on conflict (scope, id) do update set version = excluded.version, flush = excluded.flush
       where excluded.version >= version`,
    );
    this.mark = this.db.query<null, [string, number, string]>(
      "insert into checkpoint (scope, next, ends) values (?1, ?2, ?3) on conflict (scope) do update set next = excluded.next, ends = excluded.ends",
    );
  }

  /** The newest version of each of these entities that is known. */
  newest(scope: PartitionKey, ids: readonly EntityId[]): Map<EntityId, Version> {
    return new Map(this.select.all(scope, JSON.stringify(ids)).map(({ id, version }) => [id, version]));
  }

  /** Remembers what a step decided and the checkpoint that it reached, all or nothing. */
  remember(scope: PartitionKey, changes: ReadonlyMap<EntityId, Version>, checkpoint: Checkpoint): void {
    const pending = this.pendingOf(scope);
    this.db.transaction(() => {
      this.upsert.run(scope, pending.flush, JSON.stringify([...changes]));
      this.mark.run(scope, checkpoint.next, JSON.stringify(checkpoint.ends));
    })();
    for (const [id, version] of changes) pending.changes.set(id, version);
  }

  /** Takes over what the versions topic says; older versions never replace newer ones. */
  restore(scope: PartitionKey, changes: ReadonlyMap<EntityId, Version>, checkpoint: Checkpoint | undefined): void {
    this.db.transaction(() => {
      this.upsert.run(scope, 0, JSON.stringify([...changes]));
      if (checkpoint) this.mark.run(scope, checkpoint.next, JSON.stringify(checkpoint.ends));
    })();
    const { changes: lacking } = this.pendingOf(scope);
    for (const [id, version] of changes) if (version >= (lacking.get(id) ?? 0)) lacking.delete(id);
  }

  /** Everything that the versions topic may lack. Survives a crash, so no later checkpoint can leave it out. */
  unflushed(scope: PartitionKey): Unflushed {
    const pending = this.pendingOf(scope);
    return { flush: pending.flush++, changes: new Map(pending.changes) };
  }

  /** The versions topic has these now. An entity that changed again in the meantime stays unflushed. */
  markFlushed(scope: PartitionKey, { flush, changes }: Unflushed): void {
    const pending = this.pendingOf(scope);
    for (const [id, version] of changes) if (pending.changes.get(id) === version) pending.changes.delete(id);
    this.db.query("update checkpoint set flushed = ?2 where scope = ?1").run(scope, flush);
  }

  checkpoint(scope: PartitionKey): Checkpoint | undefined {
    const row = this.db
      .query<{ next: number; ends: string }, [string]>("select next, ends from checkpoint where scope = ?1")
      .get(scope);
    return row ? { next: row.next, ends: JSON.parse(row.ends) } : undefined;
  }

  /** Forgets a partition, whose topic was made anew. */
  forget(scope: PartitionKey): void {
    this.pending.delete(scope);
    this.db.transaction(() => {
      this.db.query("delete from known where scope = ?1").run(scope);
      this.db.query("delete from checkpoint where scope = ?1").run(scope);
    })();
  }

  [Symbol.dispose](): void {
    this.db.close();
  }

  /** Read from the file once: it is kept beside the file from then on. */
  private pendingOf(scope: PartitionKey): Pending {
    let pending = this.pending.get(scope);
    if (!pending) {
      const flushed =
        this.db.query<{ flushed: number }, [string]>("select flushed from checkpoint where scope = ?1").get(scope)
          ?.flushed ?? 0;
      const rows = this.db
        .query<{ id: EntityId; version: Version }, [string, number]>(
          "select id, version from known where scope = ?1 and flush > ?2",
        )
        .all(scope, flushed);
      const last = this.db.query<{ last: number | null }, [string]>(
        "select max(flush) as last from known where scope = ?1",
      );
      const flush = Math.max(flushed, last.get(scope)?.last ?? 0) + 1;
      pending = { flush, changes: new Map(rows.map(({ id, version }) => [id, version])) };
      this.pending.set(scope, pending);
    }
    return pending;
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
