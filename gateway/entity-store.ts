/** Writes and reads the rows of one entity in the source. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document, EntityId, Version } from "../contracts/entity/document.ts";
import { keyOf } from "../contracts/entity/key.ts";
import { parseRow } from "../contracts/entity/parse.ts";
import { documentOf, type Row, rowOf } from "../contracts/entity/row.ts";
import { RequestError } from "../contracts/errors.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Metrics } from "../observability/metrics.ts";
import { conflict, explainError, type FailedWrite, uncaptured } from "./explain-error.ts";
import { GeneratedKeys } from "./generated-keys.ts";
import { executeIdempotent } from "./idempotency.ts";
import type { AcceptedVersions } from "./preconditions.ts";
import type { Source } from "./source.ts";
import { execute } from "./statements/execute.ts";
import { writableFields } from "./statements/expressions.ts";
import { type Statements, statementsOf } from "./statements/index.ts";
import { ViolationFinder } from "./violation.ts";
import { MAX_QUEUED, WriteBatcher, type WriteRow } from "./write-batcher.ts";
import type { WriteContext } from "./write-context.ts";

/** The result of a write. */
export interface WriteResult<T = Document> {
  readonly id: EntityId;
  /** The version that the write made: for a delete, that of the tombstone. */
  readonly version: Version;
  readonly value: T;
  /** True when an earlier request with the same idempotency key made this write. */
  readonly replayed: boolean;
}

/** A document in the source, with what identifies its state. */
export interface StoredDocument {
  readonly id: EntityId;
  readonly version: Version;
  readonly item: Document;
}

/** What a write is, beside its context. */
interface Write extends FailedWrite {
  readonly batcher: WriteBatcher;
  readonly id: EntityId;
  readonly item: Record<string, unknown>;
  /** Values by column, to find the one that the database does not accept. */
  readonly row: Row;
  readonly kind: "insert" | "update" | "remove";
}

/** A row as the statements answer it. */
interface StoredRow {
  readonly doc: Row | string;
  /** Missing: the version is a column of the row. */
  readonly version?: Version;
}

/** The rows of one entity. Every method throws `RequestError` UNAVAILABLE while the source is unavailable. */
export class EntityStore {
  private readonly statements: Statements;
  private readonly generatedKeys: GeneratedKeys;
  private readonly violations: ViolationFinder;
  /** The three queues of writes. Routes ask them for admission, before they read a body. */
  readonly inserts: WriteBatcher;
  readonly updates: WriteBatcher;
  readonly deletes: WriteBatcher;
  /** Members that get the database's default when a request replaces the entity and does not send them. */
  private readonly defaulted: readonly string[];
  /** Some member is nested JSON. */
  private readonly hasJson: boolean;
  /** Column of the version. Undefined: versions are beside the table. */
  private readonly versionColumn: string | undefined;

  /** @param entities all entities of the project, to name the one that refers to a row. */
  constructor(
    private readonly source: Source,
    readonly entity: EntityDeclaration,
    private readonly entities: readonly EntityDeclaration[] = [],
  ) {
    this.statements = statementsOf(entity);
    this.generatedKeys = new GeneratedKeys(source, entity);
    this.violations = new ViolationFinder(source, entity);
    this.inserts = new WriteBatcher(source, this.statements.insert);
    this.updates = new WriteBatcher(source, this.statements.update);
    this.deletes = new WriteBatcher(source, this.statements.remove);
    const writable = writableFields(entity);
    this.defaulted = Object.keys(entity.fields).filter(
      (member) => entity.fields[member]!.hasDatabaseDefault && writable.includes(entity.fields[member]!),
    );
    this.hasJson = writable.some(({ kind }) => kind === "jsonb");
    this.versionColumn = entity.version && entity.fields[entity.version]!.column;
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
   * Gives a new document its key: the client's members of it, and those that gateway and database make.
   *
   * @throws {RequestError} UNAVAILABLE.
   */
  async identify(document: Document): Promise<{ readonly id: EntityId; readonly document: Document }> {
    try {
      const identified = await this.generatedKeys.complete(document);
      return { id: keyOf(this.entity, identified), document: identified };
    } catch (error) {
      throw explainError(error, this.entity);
    }
  }

  /**
   * @param document with its key, see {@link identify}.
   * @throws {RequestError} CONFLICT when the key or a unique value is taken; INVALID, REJECTED, SKIPPED,
   * CAPTURE_INCOMPLETE, UNAVAILABLE.
   */
  async insert(id: EntityId, document: Document, context: WriteContext): Promise<WriteResult> {
    const { row, children } = this.split(document);
    const item = this.statements.insertTakesItems ? { row, children } : row;
    const inserted = await this.write({ batcher: this.inserts, kind: "insert", id, item, row, document }, context);
    if (inserted.taken !== null) throw conflict(this.entity, this.takenMembers(inserted.taken));
    if (!inserted.doc) throw this.skipped("the insert");
    return this.resultOf(inserted, inserted.doc);
  }

  /**
   * Sets the members of `change` and leaves all others as they are.
   *
   * @param replaces true for PUT: a member that is missing gets the database's default, where it has one. False for a
   * merge patch, which changes nested JSON by its members.
   * @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT, INVALID, REJECTED, SKIPPED, CAPTURE_INCOMPLETE,
   * UNAVAILABLE.
   */
  async update(
    id: EntityId,
    change: Document,
    accepted: AcceptedVersions,
    context: WriteContext,
    replaces = false,
  ): Promise<WriteResult> {
    const { fields } = this.entity;
    const reset = this.defaulted.filter((member) =>
      member in change ? change[member] === null && !fields[member]!.nullable : replaces,
    );
    const { row, children } = this.split(change);
    for (const member of reset) delete row[fields[member]!.column];
    const item = {
      id,
      change: row,
      accepted,
      ...(reset.length > 0 ? { defaults: reset.map((member) => fields[member]!.column) } : {}),
      ...(children ? { children } : {}),
      ...(this.hasJson && !replaces ? { merges: true } : {}),
    };
    const write = { batcher: this.updates, kind: "update", id, item, row, document: change } as const;
    const updated = await this.write(write, context);
    return this.resultOf(updated, await this.changedRow(id, accepted, updated));
  }

  /**
   * Deletes an entity.
   *
   * @returns the version of its tombstone.
   * @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT when another entity refers to the row, INVALID when
   * another table does, REJECTED, SKIPPED, CAPTURE_INCOMPLETE, UNAVAILABLE.
   */
  async remove(id: EntityId, accepted: AcceptedVersions, context: WriteContext): Promise<WriteResult<undefined>> {
    const write = { batcher: this.deletes, kind: "remove", id, item: { id, accepted }, row: {} } as const;
    const removed = await this.write(write, context);
    const doc = this.parse(await this.changedRow(id, accepted, removed));
    const version = this.versionColumn ? Number(doc[this.versionColumn]) + 1 : this.writtenVersion(id, removed);
    return { id, version, value: undefined, replayed: removed.replayed ?? false };
  }

  /** @throws {RequestError} NOT_FOUND, UNAVAILABLE. */
  async read(id: EntityId): Promise<StoredDocument> {
    const [row] = await this.query(this.statements.read, [id]).catch((error) => {
      // A component that its type does not have, such as a word that is none of an enum.
      if (error instanceof RequestError && error.code === "INVALID") return [];
      throw error;
    });
    if (!row) throw this.notFound(id);
    return this.stored(row);
  }

  /**
   * Documents in the order of their keys.
   *
   * @param after the list starts after this id; undefined: at the first one.
   * @throws {RequestError} UNAVAILABLE.
   */
  async list(after: EntityId | undefined, limit: number): Promise<StoredDocument[]> {
    const { list, listAfter } = this.statements;
    const rows = await (after === undefined ? this.query(list, [limit]) : this.query(listAfter, [limit, after]));
    return rows.map((row) => this.stored(row));
  }

  /** The row of a document, and its lists of children by member; undefined when the entity has none. */
  private split(document: Document): { readonly row: Row; readonly children?: Row } {
    const row = rowOf(this.entity, document);
    const lists = Object.keys(this.entity.children);
    if (lists.length === 0) return { row };
    const children: Row = {};
    for (const member of lists) {
      if (member in row) children[member] = row[member];
      delete row[member];
    }
    return { row, children };
  }

  private async write(write: Write, context: WriteContext): Promise<WriteRow> {
    const { batcher, id, item, row } = write;
    const { idempotencyKey } = context;
    const { source, entity, entities } = this;
    const add = () => {
      if (!source.isCaptured(entity.name)) throw uncaptured(entity);
      return batcher.add({ id, item: JSON.stringify(item), context });
    };
    try {
      const answer = await (idempotencyKey ? executeIdempotent(source, idempotencyKey, add) : add());
      if (answer.doc) source.outcomes.succeeded();
      return answer;
    } catch (error) {
      const violation = await this.violations.find(error, row);
      const hasIdempotencyKey = idempotencyKey !== undefined;
      const explained = explainError(error, entity, { ...write, hasIdempotencyKey, violation, entities });
      source.outcomes.failed(explained);
      if (write.kind !== "insert" && isInvalid(explained)) await this.read(id);
      throw explained;
    }
  }

  private async query(text: string, parameters: readonly (string | number | null)[]): Promise<StoredRow[]> {
    try {
      return await execute<StoredRow>(this.source, text, parameters);
    } catch (error) {
      throw explainError(error, this.entity);
    }
  }

  /** @throws {RequestError} NOT_FOUND, PRECONDITION_FAILED, CONFLICT or SKIPPED when the write changed nothing. */
  private async changedRow(
    id: EntityId,
    accepted: AcceptedVersions,
    { doc, version, taken }: WriteRow,
  ): Promise<Row | string> {
    if (doc) return doc;
    if (version === null) throw this.notFound(id);
    if (version >= Number.MAX_SAFE_INTEGER) throw this.versionTooLarge(id);
    if (accepted && !accepted.includes(version))
      throw this.preconditionFailed(id, `is at version ${version}, which the request's condition does not accept`);
    if (taken !== null) throw conflict(this.entity, this.takenMembers(taken));
    // The statement reads `version` before it locks the row. Either another write came between, or a trigger skipped
    // this one.
    const now = await this.read(id);
    if (accepted && now.version !== version)
      throw this.preconditionFailed(id, "was changed by another request at the same time");
    throw this.skipped(`this write of ${this.entity.name} ${id}`);
  }

  /** A statement names the first member of a key that is taken. */
  private takenMembers(taken: string): readonly string[] {
    const { key, fields, unique } = this.entity;
    return taken === key[0] && !unique.includes(taken) ? key.filter((member) => !fields[member]!.readOnly) : [taken];
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

  private parse(doc: Row | string): Row {
    return typeof doc === "string" ? parseRow(this.entity, doc) : doc;
  }

  /** @throws {RequestError} INTERNAL when the version of the row is too large for a JSON number. */
  private resultOf(written: WriteRow, doc: Row | string): WriteResult {
    const row = this.parse(doc);
    const value = documentOf(this.entity, row);
    const id = keyOf(this.entity, value);
    const version = this.versionColumn ? this.versionOf(id, row[this.versionColumn]) : this.writtenVersion(id, written);
    return { id, version, value, replayed: written.replayed ?? false };
  }

  /** @throws {RequestError} INTERNAL when the version of the row is too large for a JSON number. */
  private stored({ doc, version }: StoredRow): StoredDocument {
    const row = this.parse(doc);
    const item = documentOf(this.entity, row);
    const id = keyOf(this.entity, item);
    return { id, version: this.versionOf(id, this.versionColumn ? row[this.versionColumn] : version), item };
  }

  private writtenVersion(id: EntityId, { written }: WriteRow): Version {
    return this.versionOf(id, written ?? undefined);
  }

  private versionOf(id: EntityId, version: unknown): Version {
    if (!Number.isSafeInteger(version)) throw this.versionTooLarge(id);
    return version as Version;
  }

  private versionTooLarge(id: EntityId): RequestError {
    return new RequestError(
      "INTERNAL",
      `The version of ${this.entity.name} ${id} is at or above ${Number.MAX_SAFE_INTEGER}, the largest that can be sent ` +
        "exactly. Set a lower version in the database, above those of the replicas.",
    );
  }
}

const isInvalid = (error: unknown): boolean => error instanceof RequestError && error.code === "INVALID";
