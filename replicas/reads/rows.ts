/** Reads of one entity's table in the replica's PostgreSQL. */

import type { CacheEntry } from "../../contracts/cache-entry.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document, EntityId, Version } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import { RequestError } from "../../contracts/errors.ts";
import { listText } from "../../platform/postgres/connect.ts";
import type { Database } from "../../platform/postgres/database.ts";
import { isUnavailable } from "../../platform/postgres/errors.ts";

type Row = Record<string, unknown>;

export class Rows {
  constructor(
    private readonly database: Database,
    private readonly entity: EntityDeclaration,
    private readonly replica: ReplicaDeclaration,
  ) {}

  /**
   * What is there for an id: a document, or that it is not there as of a version; undefined when it was never heard of.
   *
   * @throws {RequestError} UNAVAILABLE
   */
  async one(id: EntityId): Promise<CacheEntry | undefined> {
    const [found] = await this.ask(
      (sql) => sql<{ row: Row | null; version: string | null }[]>`
        select to_jsonb(t) as row, coalesce(t.version, v.version) as version
        from (select ${id}::uuid as id) as asked
        left join ${sql(this.entity.plural)} as t on t.id = asked.id
        left join lockstep.versions as v on v.entity = ${this.entity.name} and v.id = asked.id`,
    );
    if (!found?.version) return undefined;
    return { version: Number(found.version) as Version, body: found.row && JSON.stringify(this.document(found.row)) };
  }

  /** Those of the wanted versions that are not committed here yet. @throws {RequestError} UNAVAILABLE */
  async behind(wanted: readonly { id: EntityId; version: Version }[]): Promise<{ id: EntityId; version: Version }[]> {
    const ids = listText(wanted.map(({ id }) => id));
    const versions = listText(wanted.map(({ version }) => version));
    const found = await this.ask(
      (sql) => sql<{ id: EntityId; version: string }[]>`
        select wanted.id, wanted.version from unnest(${ids}::uuid[], ${versions}::bigint[]) as wanted (id, version)
        left join lockstep.versions as v on v.entity = ${this.entity.name} and v.id = wanted.id
        where coalesce(v.version, 0) < wanted.version`,
    );
    return found.map(({ id, version }) => ({ id, version: Number(version) }));
  }

  /**
   * Documents in the order of their ids.
   *
   * @param after only ids above this one.
   * @throws {RequestError} UNAVAILABLE
   */
  async page(after: EntityId | undefined, limit: number): Promise<Document[]> {
    const found = await this.ask(
      (sql) => sql<{ row: Row }[]>`
        select to_jsonb(t) as row from ${sql(this.entity.plural)} as t
        ${after === undefined ? sql`` : sql`where t.id > ${after}`} order by t.id limit ${limit}`,
    );
    return found.map(({ row }) => this.document(row));
  }

  private document(row: Row): Document {
    return documentOf(this.replica.fields, row);
  }

  private async ask<T>(work: Parameters<typeof this.database.query<T>>[0]): Promise<T> {
    try {
      return await this.database.query(work);
    } catch (cause) {
      const notMigrated = (cause as { code?: unknown }).code === "42P01";
      if (!isUnavailable(cause) && !notMigrated) throw cause;
      throw new RequestError("UNAVAILABLE", `The replica's database does not answer; try again in a moment.`, {
        retryAfterSeconds: 1,
        cause,
      });
    }
  }
}
