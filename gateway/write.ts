/** Writes and reads of one entity in the source: each is one statement. */
import {
  type Document,
  documentOf,
  type EntityDeclaration,
  type EntityId,
  rowOf,
  type Version,
} from "../contracts/entity.ts";
import { LockstepError } from "../contracts/errors.ts";
import { explain } from "./explain.ts";
import type { Source } from "./source.ts";
import { type Statements, statementsOf } from "./statements/index.ts";

/** What travels with a write into the outbox. */
export interface WriteContext {
  readonly traceparent: string;
  readonly actor?: string;
}

/** Versions that the entity may have before the change; undefined accepts every one, an empty list none. */
export type Accepted = readonly Version[] | undefined;

interface Answer {
  readonly doc: Record<string, unknown> | null;
  readonly version: number | null;
}

/** SQLSTATEs of a transaction that was undone for the sake of another one: serialization failure, deadlock. */
const UNDONE = ["40001", "40P01"];
const ATTEMPTS = 3;

export class EntityStore {
  private readonly statements: Statements;

  constructor(
    private readonly source: Source,
    readonly entity: EntityDeclaration,
  ) {
    this.statements = statementsOf(entity);
  }

  /** @throws {LockstepError} CONFLICT when a unique value is taken; INVALID; UNAVAILABLE. */
  async insert(id: EntityId, document: Document, context: WriteContext): Promise<Document> {
    const row = JSON.stringify(rowOf({ id, ...document }));
    const [answer] = await this.run(this.statements.insert, [row, context.traceparent, context.actor ?? null]);
    return this.document(answer!.doc!);
  }

  /** Sets the given members and no others. @throws {LockstepError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT, INVALID, UNAVAILABLE. */
  async update(id: EntityId, change: Document, accepted: Accepted, context: WriteContext): Promise<Document> {
    const row = JSON.stringify(rowOf(change));
    const parameters = [id, row, arrayOf(accepted), context.traceparent, context.actor ?? null];
    const [answer] = await this.run(this.statements.update, parameters);
    return this.document(this.changed(id, accepted, answer!));
  }

  /** @returns the version of the tombstone. @throws {LockstepError} NOT_FOUND, PRECONDITION_FAILED, UNAVAILABLE. */
  async remove(id: EntityId, accepted: Accepted, context: WriteContext): Promise<Version> {
    const parameters = [id, arrayOf(accepted), context.traceparent, context.actor ?? null];
    const [answer] = await this.run(this.statements.remove, parameters);
    return Number(this.changed(id, accepted, answer!).version) + 1;
  }

  /** @throws {LockstepError} NOT_FOUND, UNAVAILABLE. */
  async read(id: EntityId): Promise<Document> {
    const [row] = await this.run(this.statements.read, [id]);
    if (!row?.doc) throw this.notFound(id);
    return this.document(row.doc);
  }

  /** Documents in the order of their ids, from after `after` on. @throws {LockstepError} UNAVAILABLE. */
  async list(after: EntityId | undefined, limit: number): Promise<Document[]> {
    const rows = await this.run(this.statements.list, [after ?? null, limit]);
    return rows.map((row) => this.document(row.doc!));
  }

  private changed(id: EntityId, accepted: Accepted, { doc, version }: Answer): Record<string, unknown> {
    if (doc) return doc;
    if (version === null || !accepted) throw this.notFound(id);
    // The version was read before the row was locked: at the end of a race it is the one that was asked for.
    const now = accepted.includes(version) ? "has changed just now" : `is at version ${version}`;
    throw new LockstepError(
      "PRECONDITION_FAILED",
      `${this.entity.name} ${id} ${now}, which the request's condition does not accept; read it again and repeat the change`,
    );
  }

  private notFound(id: EntityId): LockstepError {
    return new LockstepError("NOT_FOUND", `There is no ${this.entity.name} ${id}.`);
  }

  private document(row: Record<string, unknown>): Document {
    return documentOf(this.entity.fields, row);
  }

  private async run(text: string, parameters: (string | number | null)[]): Promise<Answer[]> {
    for (let attempt = 1; ; attempt++)
      try {
        return await this.source.query((sql) => sql.unsafe<Answer[]>(text, parameters, { prepare: true }));
      } catch (error) {
        const undone = UNDONE.includes((error as { code?: string }).code ?? "");
        if (!undone || attempt === ATTEMPTS) throw explain(error, this.entity);
      }
  }
}

/** PostgreSQL's text form of an array. */
const arrayOf = (versions: Accepted): string | null => (versions ? `{${versions.join(",")}}` : null);
