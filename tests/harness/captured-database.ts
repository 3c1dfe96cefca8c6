/** A source database for tests of capture: migrated, with sessions that are closed at the end. */
import postgres, { type Sql } from "postgres";
import { sourceMigrations } from "../../gateway/migrations/index.ts";
import { createLogger } from "../../observability/logger.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { freshDatabase } from "./servers.ts";

/** One row of the outbox. */
export interface CapturedRow {
  readonly entity: string;
  readonly id: string;
  readonly version: number;
  readonly operation: "upserted" | "deleted";
  readonly data: Record<string, unknown> | null;
}

/** A source database with nothing but Lockstep's own tables. */
export class CapturedDatabase {
  private readonly sessions: Sql[] = [];
  /** The first session. */
  readonly sql: Sql;

  private constructor(readonly url: string) {
    this.sql = this.session();
  }

  static async open(): Promise<CapturedDatabase> {
    const url = await freshDatabase();
    const none = { migrations: { source: [], replicas: {} } };
    await migrate(url, sourceMigrations(none), createLogger("test", "1", "silent"));
    return new CapturedDatabase(url);
  }

  /** Opens a session with the schema `public`. */
  session(): Sql {
    const sql = postgres(this.url, { max: 1, onnotice: () => {}, connection: { search_path: "public" } });
    this.sessions.push(sql);
    return sql;
  }

  capture(table: string, entity: string, options: object = {}): Promise<unknown> {
    return this
      .sql`select lockstep.capture(${table}::text::regclass, ${entity}, ${JSON.stringify(options)}::text::jsonb)`;
  }

  /** Takes the rows out of the outbox, oldest first. */
  async take(entity: string): Promise<CapturedRow[]> {
    return [
      ...(await this.sql<CapturedRow[]>`
        with taken as (delete from lockstep.outbox where entity = ${entity} returning *)
        select entity, id, version::int, operation, data from taken order by seq`),
    ];
  }

  /** As {@link take}, short: `id version operation`. */
  async changes(entity: string): Promise<string[]> {
    return (await this.take(entity)).map(({ id, version, operation }) => `${id} ${version} ${operation}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.sessions.map((sql) => sql.end({ timeout: 1 })));
  }
}

/** What a statement was rejected with: its message and hint; "accepted" when it was not. */
export const rejection = (statement: PromiseLike<unknown>): Promise<string> =>
  Promise.resolve(statement).then(
    () => "accepted",
    ({ message, hint }) => (hint ? `${message}. ${hint}` : message),
  );
