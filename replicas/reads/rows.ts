/** Reads one entity's table in the replica's PostgreSQL. */
import type { CacheEntry } from "../../contracts/cache-entry.ts";
import type { Document, EntityId, Version } from "../../contracts/entity/document.ts";
import { keyComponents } from "../../contracts/entity/key.ts";
import { quotedName } from "../../contracts/entity/table.ts";
import { RequestError } from "../../contracts/errors.ts";
import { listText } from "../../platform/postgres/connect.ts";
import type { Database } from "../../platform/postgres/database.ts";
import { codeOf, isUnavailable } from "../../platform/postgres/errors.ts";
import type { ReplicaTable, TableQueries } from "../table.ts";

/** A schema, table or function is missing: the database is not migrated yet. */
const NOT_MIGRATED = ["3F000", "42P01", "42883"];

/** A row of the table. */
export interface StoredDocument {
  readonly id: EntityId;
  readonly document: Document;
}

/** Queries of one entity's table. */
export class Rows {
  private readonly entity: string;
  private readonly keyColumns: readonly string[];

  constructor(
    private readonly database: Database,
    private readonly table: ReplicaTable,
  ) {
    this.entity = table.description.entity.name;
    this.keyColumns = table.description.options.key.map((column) => `t.${quotedName(column)}`);
  }

  /**
   * Reads one entity.
   *
   * @returns its document, or a null body with the version of its delete; undefined when no event of this id was ever
   * applied.
   * @throws {RequestError} UNAVAILABLE
   */
  async one(id: EntityId): Promise<CacheEntry | undefined> {
    const key = keyComponents(id);
    if (key?.length !== this.keyColumns.length) return undefined;
    const found = await this.query(async (queries) => {
      const statement = this.statementOfOne(queries);
      const [row] = await this.database.query((sql) =>
        sql.unsafe<{ row: string | null; version: string | null }[]>(statement, [this.entity, id, ...key], {
          prepare: true,
        }),
      );
      return row;
    });
    if (!found?.version) return undefined;
    const body = found.row && JSON.stringify(this.table.documentOf(found.row));
    return { version: Number(found.version) as Version, body };
  }

  /** Parameters: entity, id, components of the key. */
  private statementOfOne({ rows, keyTypes }: TableQueries): string {
    const { keyColumns, table } = this;
    const isKey = keyColumns.map((column, i) => `${column} = $${i + 3}::text::${keyTypes[i]}`).join(" and ");
    const version =
      table.versionColumn === null ? "v.version" : `coalesce(t.${quotedName(table.versionColumn)}, v.version)`;
    return `
      select case when ${keyColumns[0]} is not null then to_jsonb(t)::text end as row, ${version} as version
      from (select) as required left join (${rows}) as t on ${isKey}
      left join lockstep.versions as v on v.entity = $1::text and v.id = $2::text`;
  }

  /** Returns those versions that are not committed here yet. @throws {RequestError} UNAVAILABLE */
  async behind(required: readonly { id: EntityId; version: Version }[]): Promise<{ id: EntityId; version: Version }[]> {
    const ids = listText(required.map(({ id }) => id));
    const versions = listText(required.map(({ version }) => version));
    const found = await this.checked(() =>
      this.database.query(
        (sql) => sql<{ id: EntityId; version: string }[]>`
          select required.id, required.version
          from unnest(${ids}::text::text[], ${versions}::text::bigint[]) as required (id, version)
          left join lockstep.versions as v on v.entity = ${this.entity} and v.id = required.id
          where coalesce(v.version, 0) < required.version`,
      ),
    );
    return found.map(({ id, version }) => ({ id, version: Number(version) }));
  }

  /**
   * Reads documents in the order of their keys.
   *
   * @param after only ids above this one.
   * @throws {RequestError} UNAVAILABLE
   */
  async page(after: EntityId | undefined, limit: number): Promise<StoredDocument[]> {
    const key = after === undefined ? [] : (keyComponents(after) ?? []);
    const found = await this.query((queries) => {
      const statement = this.statementOfPage(queries, key.length > 0);
      return this.database.query((sql) =>
        sql.unsafe<{ id: EntityId; row: string }[]>(statement, [limit, ...key], { prepare: true }),
      );
    });
    return (found ?? []).map(({ id, row }) => ({ id, document: this.table.documentOf(row) }));
  }

  /** Parameters: limit, then the components of the key after which the page starts. */
  private statementOfPage({ rows, id, keyTypes }: TableQueries, isAfter: boolean): string {
    const key = this.keyColumns.join(", ");
    const after = keyTypes.map((type, i) => `$${i + 2}::text::${type}`).join(", ");
    return `select ${id} as id, to_jsonb(t)::text as row from (${rows}) as t
      ${isAfter ? `where (${key}) > (${after})` : ""} order by ${key} limit $1::int`;
  }

  /** @returns undefined when a component of the key is no value of its column's type. */
  private async query<T>(work: (queries: TableQueries) => Promise<T>): Promise<T | undefined> {
    return await this.checked(async () => {
      const queries = await this.table.readQueries(this.database);
      try {
        return await work(queries);
      } catch (error) {
        if (codeOf(error).startsWith("22")) return undefined;
        // A migration may have changed the table since the queries were made.
        if (!isUnavailable(error)) this.table.forget();
        throw error;
      }
    });
  }

  private async checked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (!isUnavailable(cause) && !NOT_MIGRATED.includes(codeOf(cause))) throw cause;
      throw new RequestError("UNAVAILABLE", "The replica's database does not respond; retry in a moment.", {
        retryAfterSeconds: 1,
        cause,
      });
    }
  }
}
