/** The generator's writes straight to a PostgreSQL, where it would ask a gateway: nothing lies between. */
import postgres from "postgres";
import type { Answer } from "./http-answer.ts";
import type { HttpConnections } from "./http-connections.ts";
import deleteText from "./write-delete.sql" with { type: "text" };
import insertText from "./write-insert.sql" with { type: "text" };
import updateText from "./write-update.sql" with { type: "text" };

/** What the generator writes through. */
export type Writes = Pick<HttpConnections, "ask" | "close">;

/** Whether what is written to is a database and no gateway. */
export const isDatabase = (url: string): boolean => url.startsWith("postgres:");

/** More than these would wait for each other's commits. */
const CONNECTIONS = 20;

/** Asks a database as {@link HttpConnections} asks a gateway: POST, PUT and DELETE are an insert, an update and a delete. */
export class SqlWrites implements Writes {
  private readonly sql: postgres.Sql;

  /** @param url of the database. */
  constructor(url: string) {
    this.sql = postgres(url, { max: CONNECTIONS, onnotice: () => {} });
  }

  /** @throws {Error} when the statement fails. */
  async ask(method: string, path: string, body = ""): Promise<Answer> {
    const id = path.split("/")[2] ?? "";
    const [row] = await this.run(method, id, body);
    return row ? { status: 200, etag: row.version, body: JSON.stringify(row) } : { status: 404, etag: "", body: "" };
  }

  close(): void {
    void this.sql.end();
  }

  private run(method: string, id: string, body: string) {
    const run = (text: string, values: string[]) =>
      this.sql.unsafe<{ id: string; version: string }[]>(text, values, { prepare: true });
    if (method === "DELETE") return run(deleteText, [id]);
    return method === "POST" ? run(insertText, [body]) : run(updateText, [body, id]);
  }
}
