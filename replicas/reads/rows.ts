/** Reads one entity's table in the replica's PostgreSQL. */
import type { CacheEntry } from "../../contracts/cache-entry.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document, EntityId, Version } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import { RequestError } from "../../contracts/errors.ts";
import { listText } from "../../platform/postgres/connect.ts";
import type { Database } from "../../platform/postgres/database.ts";
import { isUnavailable } from "../../platform/postgres/errors.ts";

const UNDEFINED_TABLE = "42P01";

type Row = Record<string, unknown>;

/** Queries of one entity's table. */
export class Rows {
  constructor(
    private readonly database: Database,
    private readonly entity: EntityDeclaration,
    private readonly replica: ReplicaDeclaration,
  ) {}

  /**
   * Reads one entity.
   *
   * @returns its document, or a null body with the version of its delete; undefined when no event of this id was ever
   * applied.
   * @throws {RequestError} UNAVAILABLE
   */
  async one(id: EntityId): Promise<CacheEntry | undefined> {
    const [found] = await this.query(
      (sql) => sql<{ row: Row | null; version: string | null }[]>`
        select to_jsonb(t) as row, coalesce(t.version, v.version) as version
        from (select ${id}::uuid as id) as required
        left join ${sql(this.entity.plural)} as t on t.id = required.id
        left join lockstep.versions as v on v.entity = ${this.entity.name} and v.id = required.id`,
    );
    if (!found?.version) return undefined;
    return { version: Number(found.version) as Version, body: found.row && JSON.stringify(this.document(found.row)) };
  }

  /** Returns those versions that are not committed here yet. @throws {RequestError} UNAVAILABLE */
  async behind(required: readonly { id: EntityId; version: Version }[]): Promise<{ id: EntityId; version: Version }[]> {
    const ids = listText(required.map(({ id }) => id));
    const versions = listText(required.map(({ version }) => version));
    const found = await this.query(
      (sql) => sql<{ id: EntityId; version: string }[]>`
        select required.id, required.version from unnest(${ids}::uuid[], ${versions}::bigint[]) as required (id, version)
        left join lockstep.versions as v on v.entity = ${this.entity.name} and v.id = required.id
        where coalesce(v.version, 0) < required.version`,
    );
    return found.map(({ id, version }) => ({ id, version: Number(version) }));
  }

  /**
   * Reads documents in the order of their ids.
   *
   * @param after only ids above this one.
   * @throws {RequestError} UNAVAILABLE
   */
  async page(after: EntityId | undefined, limit: number): Promise<Document[]> {
    const found = await this.query(
      (sql) => sql<{ row: Row }[]>`
        select to_jsonb(t) as row from ${sql(this.entity.plural)} as t
        ${after === undefined ? sql`` : sql`where t.id > ${after}`} order by t.id limit ${limit}`,
    );
    return found.map(({ row }) => this.document(row));
  }

  private document(row: Row): Document {
    return documentOf(this.replica.fields, row);
  }

  private async query<T>(work: Parameters<typeof this.database.query<T>>[0]): Promise<T> {
    try {
      return await this.database.query(work);
    } catch (cause) {
      const notMigrated = (cause as { code?: unknown }).code === UNDEFINED_TABLE;
      if (!isUnavailable(cause) && !notMigrated) throw cause;
      throw new RequestError("UNAVAILABLE", "The replica's database does not respond; retry in a moment.", {
        retryAfterSeconds: 1,
        cause,
      });
    }
  }
}
