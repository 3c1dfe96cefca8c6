/** Writes and reads of one entity in the source: each is one statement, which writes that come at the same time share. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document, EntityId, Version } from "../contracts/entity/document.ts";
import { documentOf, rowOf } from "../contracts/entity/row.ts";
import { RequestError } from "../contracts/errors.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Metrics } from "../observability/metrics.ts";
import { Batcher, type BatcherOptions } from "../platform/async/batcher.ts";
import { DatabaseUnavailableError, isRejected } from "../platform/postgres/database.ts";
import { explainError } from "./explain-error.ts";
import type { Source } from "./source.ts";
import { type Statements, statementsOf, type WriteText } from "./statements/index.ts";
import type { IdempotencyKey, WriteContext } from "./write-context.ts";

/** What became of a write. `again`: it was carried out before, by an earlier request with its key. */
export interface WriteResult<T> {
  readonly value: T;
  readonly replayed: boolean;
}

/** Versions that the entity may have before the change; undefined accepts every one, an empty list none. */
export type Accepted = readonly Version[] | undefined;

interface WriteRow {
  readonly doc: Record<string, unknown> | null;
  readonly version: number | null;
  readonly replayed?: true;
}

interface Remembered {
  readonly fingerprint: string;
  readonly doc: Record<string, unknown>;
}

/** A write as its statement takes it. */
interface PreparedWrite {
  readonly id: EntityId;
  /** JSON of its item in the list. */
  readonly item: string;
  readonly context: WriteContext;
}

/** SQLSTATEs of a transaction that was undone for the sake of another one: serialization failure, deadlock. */
const UNDONE = ["40001", "40P01"];
const ATTEMPTS = 3;
/** SQLSTATE of a statement that did not get a lock in time. */
const LOCK_NOT_AVAILABLE = "55P03";
/** How long a statement of several writes waits for a lock of somebody else's, in milliseconds. */
const LOCK_MS = 50;
const MAX_QUEUED = 500;
/**
 * For each kind of write. The statement's JSON stays at about 1 MiB. One statement at a time: two would each have half as
 * many writes and cost more.
 */
const WRITE_BATCHES: BatcherOptions<PreparedWrite> = {
  concurrency: 1,
  isolatedConcurrency: 1,
  maxItems: 100,
  maxSize: 1_048_576,
  sizeOf: ({ item }) => item.length,
  keyOf: ({ id }) => id,
  isIsolatable: isUndone,
  maxQueued: MAX_QUEUED,
  timeoutMs: 5_000,
  overloadError: (message) => new DatabaseUnavailableError(message, false),
};

export class EntityStore {
  private readonly statements: Statements;
  private readonly inserts: Batcher<PreparedWrite, WriteRow>;
  private readonly updates: Batcher<PreparedWrite, WriteRow>;
  private readonly removals: Batcher<PreparedWrite, WriteRow>;

  constructor(
    private readonly source: Source,
    readonly entity: EntityDeclaration,
  ) {
    this.statements = statementsOf(entity);
    const batcherOf = (statement: WriteText) =>
      new Batcher<PreparedWrite, WriteRow>(
        (writes, isolated) => this.write(statement, writes, isolated),
        WRITE_BATCHES,
      );
    this.inserts = batcherOf(this.statements.insert);
    this.updates = batcherOf(this.statements.update);
    this.removals = batcherOf(this.statements.remove);
  }

  /** Tells how many writes of each kind wait. */
  registerMetrics(metrics: Metrics): void {
    const { inserts, updates, removals } = this;
    for (const [kind, writes] of Object.entries({ inserts, updates, removals }))
      watchBuffer(metrics, `${this.entity.plural} ${kind}`, MAX_QUEUED, () => writes.queued);
  }

  /** @throws {RequestError} CONFLICT when a unique value is taken; INVALID; UNAVAILABLE. */
  async insert(id: EntityId, document: Document, context: WriteContext): Promise<WriteResult<Document>> {
    const { doc, replayed = false } = await this.add(this.inserts, id, rowOf({ id, ...document }), context);
    return { value: this.document(doc!), replayed };
  }

  /** Sets the given members and no others. @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT, INVALID, UNAVAILABLE. */
  async update(
    id: EntityId,
    change: Document,
    accepted: Accepted,
    context: WriteContext,
  ): Promise<WriteResult<Document>> {
    const answer = await this.add(this.updates, id, { id, change: rowOf(change), accepted }, context);
    return { value: this.document(this.changed(id, accepted, answer)), replayed: answer.replayed ?? false };
  }

  /** @returns the version of the tombstone. @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, UNAVAILABLE. */
  async remove(id: EntityId, accepted: Accepted, context: WriteContext): Promise<WriteResult<Version>> {
    const answer = await this.add(this.removals, id, { id, accepted }, context);
    return { value: Number(this.changed(id, accepted, answer).version) + 1, replayed: answer.replayed ?? false };
  }

  /** @throws {RequestError} NOT_FOUND, UNAVAILABLE. */
  async read(id: EntityId): Promise<Document> {
    const [row] = await this.run(this.statements.read, [id]);
    if (!row?.doc) throw this.notFound(id);
    return this.document(row.doc);
  }

  /** Documents in the order of their ids, from after `after` on. @throws {RequestError} UNAVAILABLE. */
  async list(after: EntityId | undefined, limit: number): Promise<Document[]> {
    const rows = await this.run(this.statements.list, [after ?? null, limit]);
    return rows.map((row) => this.document(row.doc!));
  }

  private changed(id: EntityId, accepted: Accepted, { doc, version }: WriteRow): Record<string, unknown> {
    if (doc) return doc;
    if (version === null || !accepted) throw this.notFound(id);
    // The version was read before the row was locked: at the end of a race it is the one that was asked for.
    const now = accepted.includes(version) ? "has changed just now" : `is at version ${version}`;
    throw new RequestError(
      "PRECONDITION_FAILED",
      `${this.entity.name} ${id} ${now}, which the request's condition does not accept; read it again and repeat the change`,
    );
  }

  private notFound(id: EntityId): RequestError {
    return new RequestError("NOT_FOUND", `There is no ${this.entity.name} ${id}.`);
  }

  private document(row: Record<string, unknown>): Document {
    return documentOf(this.entity.fields, row);
  }

  private async add(
    to: Batcher<PreparedWrite, WriteRow>,
    id: EntityId,
    value: Record<string, unknown>,
    context: WriteContext,
  ): Promise<WriteRow> {
    const { idempotencyKey } = context;
    const item = JSON.stringify(value);
    const carryOut = () => to.add({ id, item, context });
    try {
      return idempotencyKey ? await this.executeIdempotent(idempotencyKey, carryOut) : await carryOut();
    } catch (error) {
      throw explainError(error, this.entity, idempotencyKey !== undefined);
    }
  }

  /** What is refused may be so because an earlier request with this key was faster: its value is taken, its version gone. */
  private async executeIdempotent(once: IdempotencyKey, carryOut: () => Promise<WriteRow>): Promise<WriteRow> {
    const before = await this.lookupKey(once);
    if (before) return before;
    try {
      const answer = await carryOut();
      return answer.doc ? answer : ((await this.lookupKey(once)) ?? answer);
    } catch (error) {
      const meanwhile = isRejected(error) && (await this.lookupKey(once));
      if (meanwhile) return meanwhile;
      throw error;
    }
  }

  /** What an earlier request with this key was answered. @throws {RequestError} KEY_REUSED when it asked for something else. */
  private async lookupKey({ key, fingerprint }: IdempotencyKey): Promise<WriteRow | undefined> {
    const [found] = await this.send<Remembered>(this.statements.lookupKey, [key], ATTEMPTS);
    if (!found) return undefined;
    if (found.fingerprint !== fingerprint)
      throw new RequestError(
        "KEY_REUSED",
        "This Idempotency-Key came with another request before. Repeat a request as it was, or give a new one a key of its own.",
        { violations: [{ pointer: "Idempotency-Key", detail: "was used for another request" }] },
      );
    return { doc: found.doc, version: null, replayed: true };
  }

  /** Carries out writes of one kind in one statement: all of them or, when it throws, none or nobody knows. */
  private async write(statement: WriteText, writes: readonly PreparedWrite[], isolated: boolean): Promise<WriteRow[]> {
    const contexts = Object.fromEntries(writes.map(({ id, context }) => [id, context]));
    const list = `[${writes.map(({ item }) => item).join(",")}]`;
    const answers = await this.send<WriteRow & { readonly id: EntityId }>(
      writes.some(({ context }) => context.idempotencyKey) ? statement.remembering : statement.plain,
      [list, JSON.stringify(contexts), isolated ? "0" : String(LOCK_MS)],
      isolated ? ATTEMPTS : 1,
    );
    const byId = new Map(answers.map((answer) => [answer.id, answer]));
    return writes.map(({ id }) => byId.get(id)!);
  }

  private async run(text: string, parameters: readonly (string | number | null)[]): Promise<WriteRow[]> {
    try {
      return await this.send<WriteRow>(text, parameters, ATTEMPTS);
    } catch (error) {
      throw explainError(error, this.entity);
    }
  }

  private async send<T extends object>(
    text: string,
    parameters: readonly (string | number | null)[],
    attempts: number,
  ): Promise<T[]> {
    for (let attempt = 1; ; attempt++)
      try {
        return await this.source.query((sql) => sql.unsafe<T[]>(text, [...parameters], { prepare: true }));
      } catch (error) {
        const undone = UNDONE.includes((error as { code?: string }).code ?? "");
        if (!undone || attempt >= attempts) throw error;
      }
  }
}

/** True when the database has undone a statement for a reason that may be one row's. */
function isUndone(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? "";
  return isRejected(error) || UNDONE.includes(code) || code === LOCK_NOT_AVAILABLE;
}
