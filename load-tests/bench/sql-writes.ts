/** The generator's client for direct writes to a PostgreSQL, without a gateway. */
import postgres from "postgres";
import type { HttpConnections } from "./http-connections.ts";
import type { HttpResponse } from "./http-response.ts";
import deleteText from "./write-delete.sql" with { type: "text" };
import insertText from "./write-insert.sql" with { type: "text" };
import updateText from "./write-update.sql" with { type: "text" };

/** A client of the generator. */
export type WriteClient = Pick<HttpConnections, "request" | "close">;

/** True for the URL of a database, false for the URL of a gateway. */
export const isDatabase = (url: string): boolean => url.startsWith("postgres:");

/** More connections would only wait for each other's commits. */
const CONNECTIONS = 20;

/** Has the interface of {@link HttpConnections}: POST, PUT and DELETE become an insert, an update and a delete. */
export class SqlWrites implements WriteClient {
  private readonly sql: postgres.Sql;

  /** @param url of the database. */
  constructor(url: string) {
    this.sql = postgres(url, { max: CONNECTIONS, onnotice: () => {} });
  }

  /** @throws {Error} when the statement fails. */
  async request(method: string, path: string, body = ""): Promise<HttpResponse> {
    const id = path.split("/")[2] ?? "";
    const [row] = await this.execute(method, id, body);
    return row ? { status: 200, etag: row.version, body: JSON.stringify(row) } : { status: 404, etag: "", body: "" };
  }

  /** Closes the connections without waiting for them. */
  close(): void {
    void this.sql.end();
  }

  private execute(method: string, id: string, body: string) {
    const query = (text: string, values: string[]) =>
      this.sql.unsafe<{ id: string; version: string }[]>(text, values, { prepare: true });
    if (method === "DELETE") return query(deleteText, [id]);
    return method === "POST" ? query(insertText, [body]) : query(updateText, [body, id]);
  }
}
