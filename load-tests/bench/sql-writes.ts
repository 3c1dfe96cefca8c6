/** The generator's client for direct writes to a PostgreSQL, without a gateway. */
import postgres from "postgres";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { rowOf } from "../../contracts/entity/row.ts";
import { inputSchema } from "../../contracts/entity/schemas.ts";
import { type RowStatements, rowStatements } from "../workload/statements.ts";
import type { HttpConnections } from "./http-connections.ts";
import type { HttpResponse } from "./http-response.ts";

/** A client of the generator. */
export type WriteClient = Pick<HttpConnections, "request" | "close">;

/** True for the URL of a database, false for the URL of a gateway. */
export const isDatabase = (url: string): boolean => url.startsWith("postgres:");

/** More connections would only wait for each other's commits. */
const CONNECTIONS = 20;

/** Has the interface of {@link HttpConnections}: POST, PUT and DELETE become an insert, an update and a delete. */
export class SqlWrites implements WriteClient {
  private readonly sql: postgres.Sql;
  private readonly statements: RowStatements;

  /** @param url of the database. @throws {UserError} as {@link rowStatements}. */
  constructor(
    url: string,
    private readonly entity: EntityDeclaration,
  ) {
    this.statements = rowStatements(entity);
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
    const { insert, update, remove } = this.statements;
    if (method === "DELETE") return query(remove, [id]);
    const row = JSON.stringify(rowOf(this.entity, inputSchema(this.entity).parse(JSON.parse(body))));
    return method === "POST" ? query(insert, [row]) : query(update, [row, id]);
  }
}
