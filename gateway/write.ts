/** Writes and reads of one entity in the source's PostgreSQL, with what the database says turned into errors that a client can act on. */
import type { PostgresError } from "postgres";
import {
  columnOf,
  type Document,
  documentOf,
  type EntityDeclaration,
  type EntityId,
  rowOf,
  type Version,
} from "../contracts/entity.ts";
import { LockstepError } from "../contracts/errors.ts";
import { withDeadline } from "../platform/deadline.ts";
import type { Sql } from "../platform/postgres.ts";
import { type Statements, statementsOf } from "./statements.ts";

/** What travels with a write into the outbox. */
export interface WriteContext {
  readonly traceparent: string;
  readonly actor?: string;
}

/** Versions that `If-Match` accepts; undefined accepts every one. */
export type Accepted = readonly Version[] | undefined;

interface Answer {
  readonly doc: Record<string, unknown> | null;
  readonly version: number | null;
}

export interface StoreSettings {
  /** Longest wait for one statement in milliseconds; a little above the database's own limit. */
  readonly timeoutMs: number;
  /** Most statements that may be under way or waiting for a connection; more are refused at once. */
  readonly maxWaiting: number;
}

export class EntityStore {
  private readonly statements: Statements;
  private waiting = 0;

  constructor(
    private readonly sql: Sql,
    readonly entity: EntityDeclaration,
    private readonly settings: StoreSettings,
  ) {
    this.statements = statementsOf(entity);
  }

  /** @throws {LockstepError} CONFLICT when a unique value is taken, UNAVAILABLE when the database is away. */
  async insert(id: EntityId, document: Document, context: WriteContext): Promise<Document> {
    const row = JSON.stringify(rowOf({ id, ...document }));
    const answer = await this.run(this.statements.insert, [row, context.traceparent, context.actor ?? null]);
    return this.document(answer.doc!);
  }

  /** Sets the given members and no others. @throws {LockstepError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT, UNAVAILABLE. */
  async update(id: EntityId, change: Document, accepted: Accepted, context: WriteContext): Promise<Document> {
    const text = this.statements.update(Object.keys(change));
    const parameters = [
      id,
      JSON.stringify(rowOf(change)),
      arrayOf(accepted),
      context.traceparent,
      context.actor ?? null,
    ];
    return this.document(this.changed(id, accepted, await this.run(text, parameters)));
  }

  /** @returns the version of the tombstone. @throws {LockstepError} NOT_FOUND, PRECONDITION_FAILED, UNAVAILABLE. */
  async remove(id: EntityId, accepted: Accepted, context: WriteContext): Promise<Version> {
    const parameters = [id, arrayOf(accepted), context.traceparent, context.actor ?? null];
    const row = this.changed(id, accepted, await this.run(this.statements.remove, parameters));
    return Number(row.version) + 1;
  }

  /** @throws {LockstepError} NOT_FOUND, UNAVAILABLE. */
  async read(id: EntityId): Promise<Document> {
    const [row] = await this.rows(this.statements.read, [id]);
    if (!row?.doc) throw this.notFound(id);
    return this.document(row.doc);
  }

  /** Documents in the order of their ids, from after `after` on. @throws {LockstepError} UNAVAILABLE. */
  async list(after: EntityId | undefined, limit: number): Promise<Document[]> {
    const rows = await this.rows(this.statements.list, [after ?? null, limit]);
    return rows.map((row) => this.document(row.doc!));
  }

  private changed(id: EntityId, accepted: Accepted, { doc, version }: Answer): Record<string, unknown> {
    if (doc) return doc;
    if (version === null || !accepted) throw this.notFound(id);
    throw new LockstepError(
      "PRECONDITION_FAILED",
      `${this.entity.name} ${id} is not at version ${accepted.join(" or ")}; read it again and repeat the change`,
    );
  }

  private notFound(id: EntityId): LockstepError {
    return new LockstepError("NOT_FOUND", `There is no ${this.entity.name} ${id}.`);
  }

  private document(row: Record<string, unknown>): Document {
    return documentOf(this.entity.fields, row);
  }

  private async run(text: string, parameters: readonly (string | number | null)[]): Promise<Answer> {
    return (await this.rows(text, parameters))[0]!;
  }

  private async rows(text: string, parameters: readonly (string | number | null)[]): Promise<Answer[]> {
    if (this.waiting >= this.settings.maxWaiting)
      throw new LockstepError("UNAVAILABLE", "Too many requests wait for the database.", { retryAfterSeconds: 1 });
    this.waiting++;
    try {
      const query = this.sql.unsafe(text, [...parameters], { prepare: true });
      return (await withDeadline(query, this.settings.timeoutMs, "The database")) as unknown as Answer[];
    } catch (error) {
      throw this.explain(error);
    } finally {
      this.waiting--;
    }
  }

  private explain(error: unknown): unknown {
    if (error instanceof LockstepError) return error;
    const { code = "", constraint_name: constraint } = error as Partial<PostgresError>;
    if (code === "23505") {
      const member = this.entity.unique.find((m) => constraint === `${this.entity.plural}_${columnOf(m)}_key`);
      return new LockstepError("CONFLICT", `Another ${this.entity.name} has this ${member ?? "value"} already.`, {
        violations: member ? [{ pointer: `/${member}`, detail: "is taken" }] : [],
        cause: error,
      });
    }
    // What the declaration allows and the table refuses, or a value that PostgreSQL cannot hold.
    if (code.startsWith("22") || code.startsWith("23"))
      return new LockstepError("INVALID", "The database does not accept these values.", { cause: error });
    if (isAway(code))
      return new LockstepError("UNAVAILABLE", "The database cannot be reached; try again.", {
        retryAfterSeconds: 1,
        cause: error,
      });
    return error;
  }
}

/** Whether an error says that the database is away, overloaded or shutting down, and not that the statement is wrong. */
function isAway(code: string): boolean {
  const classes = ["08", "53", "57", "40", "55"]; // connection, resources, operator, rollback, lock (PostgreSQL, appendix A)
  const network = ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EPIPE", "ENOENT", "CONNECT_TIMEOUT", "ENOTFOUND"];
  return classes.includes(code.slice(0, 2)) || network.includes(code) || code.startsWith("CONNECTION_");
}

/** PostgreSQL's text form of an array. */
const arrayOf = (versions: Accepted): string | null => (versions ? `{${versions.join(",")}}` : null);
