/** Writes and reads the rows of one entity in the source. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document, EntityId, Version } from "../contracts/entity/document.ts";
import { documentOf, rowOf } from "../contracts/entity/row.ts";
import { RequestError } from "../contracts/errors.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Metrics } from "../observability/metrics.ts";
import { conflict, explainError, uncaptured } from "./explain-error.ts";
import { executeIdempotent } from "./idempotency.ts";
import type { AcceptedVersions } from "./preconditions.ts";
import type { Source } from "./source.ts";
import { execute } from "./statements/execute.ts";
import { type Statements, statementsOf } from "./statements/index.ts";
import { MAX_QUEUED, WriteBatcher, type WriteRow } from "./write-batcher.ts";
import type { WriteContext } from "./write-context.ts";

/** The result of a write. */
export interface WriteResult<T> {
  readonly value: T;
  /** True when an earlier request with the same idempotency key made this write. */
  readonly replayed: boolean;
}

/** The rows of one entity. Every method throws `RequestError` UNAVAILABLE while the source is unavailable. */
export class EntityStore {
  private readonly statements: Statements;
  /** The three queues of writes. Routes ask them for admission, before they read a body. */
  readonly inserts: WriteBatcher;
  readonly updates: WriteBatcher;
  readonly deletes: WriteBatcher;

  constructor(
    private readonly source: Source,
    readonly entity: EntityDeclaration,
  ) {
    this.statements = statementsOf(entity);
    this.inserts = new WriteBatcher(source, this.statements.insert);
    this.updates = new WriteBatcher(source, this.statements.update);
    this.deletes = new WriteBatcher(source, this.statements.remove);
  }

  /** Reports the number of queued writes of each kind. */
  registerMetrics(metrics: Metrics): void {
    for (const [kind, batcher] of [
      ["inserts", this.inserts],
      ["updates", this.updates],
      ["removals", this.deletes],
    ] as const)
      watchBuffer(metrics, `${this.entity.plural} ${kind}`, MAX_QUEUED, () => batcher.queued);
  }

  /**
   * @throws {RequestError} CONFLICT when a unique value is taken; INVALID, REJECTED, SKIPPED, CAPTURE_INCOMPLETE,
   * UNAVAILABLE.
   */
  async insert(id: EntityId, document: Document, context: WriteContext): Promise<WriteResult<Document>> {
    const {
      doc,
      taken,
      replayed = false,
    } = await this.write(this.inserts, id, { id, ...rowOf(this.entity, document) }, context);
    if (taken !== null) throw conflict(this.entity, taken);
    if (!doc) throw this.skipped("the insert");
    return { value: this.document(doc), replayed };
  }

  /**
   * Sets the members of `change` and leaves all others as they are.
   *
   * @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT, INVALID, REJECTED, SKIPPED, CAPTURE_INCOMPLETE,
   * UNAVAILABLE.
   */
  async update(
    id: EntityId,
    change: Document,
    accepted: AcceptedVersions,
    context: WriteContext,
  ): Promise<WriteResult<Document>> {
    const row = await this.write(this.updates, id, { id, change: rowOf(this.entity, change), accepted }, context);
    return { value: this.document(await this.changedRow(id, accepted, row)), replayed: row.replayed ?? false };
  }

  /**
   * Deletes an entity.
   *
   * @returns the version of its tombstone.
   * @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, INVALID when another table refers to the row, REJECTED,
   * SKIPPED, CAPTURE_INCOMPLETE, UNAVAILABLE.
   */
  async remove(id: EntityId, accepted: AcceptedVersions, context: WriteContext): Promise<WriteResult<Version>> {
    const row = await this.write(this.deletes, id, { id, accepted }, context);
    return { value: Number((await this.changedRow(id, accepted, row)).version) + 1, replayed: row.replayed ?? false };
  }

  /** @throws {RequestError} NOT_FOUND, UNAVAILABLE. */
  async read(id: EntityId): Promise<Document> {
    const [row] = await this.query(this.statements.read, [id]);
    if (!row) throw this.notFound(id);
    return this.document(row.doc);
  }

  /**
   * Documents in the order of their ids.
   *
   * @param after the list starts after this id; undefined: at the first one.
   * @throws {RequestError} UNAVAILABLE.
   */
  async list(after: EntityId | undefined, limit: number): Promise<Document[]> {
    const rows = await this.query(this.statements.list, [after ?? null, limit]);
    return rows.map(({ doc }) => this.document(doc));
  }

  private async write(
    batcher: WriteBatcher,
    id: EntityId,
    item: Record<string, unknown>,
    context: WriteContext,
  ): Promise<WriteRow> {
    const { idempotencyKey } = context;
    const { source, entity } = this;
    const add = () => {
      if (!source.isCaptured(entity.name)) throw uncaptured(entity);
      return batcher.add({ id, item: JSON.stringify(item), context });
    };
    try {
      const row = await (idempotencyKey ? executeIdempotent(source, idempotencyKey, add) : add());
      if (row.doc) source.outcomes.succeeded();
      return row;
    } catch (error) {
      const explained = explainError(error, entity, idempotencyKey !== undefined);
      source.outcomes.failed(explained);
      throw explained;
    }
  }

  private async query(text: string, parameters: readonly (string | number | null)[]) {
    try {
      return await execute<{ readonly doc: Record<string, unknown> }>(this.source, text, parameters);
    } catch (error) {
      throw explainError(error, this.entity);
    }
  }

  /** @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT or SKIPPED when the write changed nothing. */
  private async changedRow(
    id: EntityId,
    accepted: AcceptedVersions,
    { doc, version, taken }: WriteRow,
  ): Promise<Record<string, unknown>> {
    if (doc) return doc;
    if (version === null) throw this.notFound(id);
    if (version >= Number.MAX_SAFE_INTEGER) throw this.versionTooLarge(id);
    if (accepted && !accepted.includes(version))
      throw this.preconditionFailed(id, `is at version ${version}, which the request's condition does not accept`);
    if (taken !== null) throw conflict(this.entity, taken);
    // The statement reads `version` before it locks the row. Either another write came between, or a trigger skipped
    // this one.
    const now = await this.read(id);
    if (accepted && now.version !== version)
      throw this.preconditionFailed(id, "was changed by another request at the same time");
    throw this.skipped(`this write of ${this.entity.name} ${id}`);
  }

  private preconditionFailed(id: EntityId, reason: string): RequestError {
    const detail = `${this.entity.name} ${id} ${reason}. Read it again and repeat the change.`;
    return new RequestError("PRECONDITION_FAILED", detail);
  }

  private skipped(write: string): RequestError {
    return new RequestError("SKIPPED", `A trigger of the database skipped ${write}. Nothing was changed.`);
  }

  private notFound(id: EntityId): RequestError {
    return new RequestError("NOT_FOUND", `There is no ${this.entity.name} ${id}.`);
  }

  /** @throws {RequestError} INTERNAL when the version of the row is too large for a JSON number. */
  private document(row: Record<string, unknown>): Document {
    if (!Number.isSafeInteger(row.version)) throw this.versionTooLarge(String(row.id));
    return documentOf(this.entity, row);
  }

  private versionTooLarge(id: EntityId): RequestError {
    return new RequestError(
      "INTERNAL",
      `The version of ${this.entity.name} ${id} is at or above ${Number.MAX_SAFE_INTEGER}, the largest that can be sent ` +
        "exactly. Set a lower version in the database, above those of the replicas.",
    );
  }
}
