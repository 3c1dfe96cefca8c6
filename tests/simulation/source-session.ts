/** A relay's session in the source: statements run in the order of their calls, and a lost connection ends the session. */
import type { Sql } from "../../platform/postgres/connect.ts";
import { ConnectionState, latency, request } from "./request.ts";
import { connectionError, sqlClient } from "./sql-client.ts";
import type { SimulatedProcess, World } from "./world.ts";

/** The server of sessions. */
interface SessionServer {
  /** Executes a statement, at one moment. */
  execute(session: SourceSession, text: string, parameters: readonly unknown[]): readonly object[];
  /** Frees what the session has locked. */
  endSession(session: SourceSession): void;
}

/** An open session. */
export class SourceSession {
  readonly sql: Sql;
  /** Rejects when the session closes. */
  readonly closed: Promise<never>;
  private readonly closing = Promise.withResolvers<never>();
  private isOpen = true;
  private readonly connection = new ConnectionState();

  constructor(
    private readonly world: World,
    private readonly database: SessionServer,
    private readonly process: SimulatedProcess,
  ) {
    this.closed = this.closing.promise;
    this.sql = sqlClient((text, parameters) => this.execute(text, parameters));
  }

  /** The server ends the session. Its process learns that from its next events. */
  end(why: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.database.endSession(this);
    this.world.trace(this.process, () => `${why}: the session in the source is closed`);
    this.world.schedule(latency(this.world), this.process, () =>
      this.closing.reject(connectionError("CONNECTION_CLOSED")),
    );
  }

  /** The other end is gone. */
  disconnect(): void {
    const { world, connection } = this;
    const at = Math.max(connection.arrivalMs, world.now + latency(world));
    world.schedule(at - world.now, world.outside, () => this.end("the process has ended"));
  }

  private async execute(text: string, parameters: readonly unknown[]): Promise<readonly object[]> {
    const { world, process, database, connection } = this;
    const noAnswer = () => {
      this.end("a response is lost");
      return connectionError("CONNECTION_CLOSED");
    };
    const run = () => {
      if (!this.isOpen) throw connectionError("CONNECTION_CLOSED");
      return database.execute(this, text, parameters);
    };
    return request(world, process, run, { noAnswer, mayBeLate: false, connection });
  }
}
