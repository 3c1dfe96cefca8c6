/** COPY FROM STDIN with the client `pg`. postgres.js 3.4.9 never reports an error of a COPY. */
import pg, { type Client } from "pg";

/** The messages that a COPY sends. The types of `pg` leave them out. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

class CopyQuery extends pg.Query {
  constructor(
    text: string,
    private readonly content: string,
    callback: (error: Error | null) => void,
  ) {
    // The types do not show that a query takes its callback like this.
    super({ text, callback } as unknown as pg.QueryConfig);
  }

  /** `pg` calls this when the server waits for the rows. */
  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(Buffer.from(this.content));
    connection.endCopyFrom();
  }
}

/**
 * Copies rows into a table.
 *
 * @param target table and columns: `orders (id, name)`.
 * @param rows in COPY's text format.
 * @throws {pg.DatabaseError} as PostgreSQL reports it.
 */
export function copyFrom(client: Client, target: string, rows: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyQuery(`copy ${target} from stdin`, rows, (error) => (error ? reject(error) : resolve())));
  });
}
