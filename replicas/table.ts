/**
 * One entity's table in a replica's database: its name and columns, and how documents map to its rows. The database
 * makes the function that applies changes, and the queries that read them (migrations/0009-any-table.sql).
 */
import { columnsOf, type EntityDeclaration, type ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import type { Document } from "../contracts/entity/document.ts";
import type { Fields } from "../contracts/entity/field.ts";
import { parseRow } from "../contracts/entity/parse.ts";
import { documentOf, rowOf } from "../contracts/entity/row.ts";
import { quotedTable } from "../contracts/entity/table.ts";
import type { RoutedEvent } from "../contracts/routed-event.ts";
import type { Database } from "../platform/postgres/database.ts";
import { codeOf } from "../platform/postgres/errors.ts";
import { TableRejectsError } from "./apply/rejection-tracker.ts";

/** A row by column. Child rows are lists under the member of the document. */
export type Row = Record<string, unknown>;

/** Child rows of a table, as `lockstep.replicate` takes them. All but `member` and `relation` are columns. */
export interface ChildOptions {
  /** Member of the document that has the child rows. */
  readonly member: string;
  /** Quoted name of the table. */
  readonly relation: string;
  /** A child row's key within its parent. */
  readonly key: readonly string[];
  /** Columns with the parent's key, in its order. */
  readonly parentKey: readonly string[];
  readonly columns: readonly string[];
}

/** Columns of a table, as `lockstep.replicate` takes them. */
export interface TableOptions {
  /** In the order of the key. */
  readonly key: readonly string[];
  /** Declared types of the key; of a domain, the type that it restricts. Missing: not compared with the table's. */
  readonly keyTypes?: readonly string[];
  readonly columns: readonly string[];
  /** Null: the table has no column of the entity's version. */
  readonly version: string | null;
  readonly children: readonly ChildOptions[];
}

/** A table and the mapping of its rows. */
export interface TableDescription {
  readonly entity: Pick<EntityDeclaration, "name" | "plural">;
  /** Name of the replica. */
  readonly replica: string;
  /** Quoted name of the table. */
  readonly name: string;
  readonly options: TableOptions;
  readonly rowOf: (document: Document) => Row;
  /** Takes a row as the text of its JSON, so that no digit is lost. */
  readonly documentOf: (row: string) => Document;
}

/** How to read a table: SQL texts over the alias `t`. */
export interface TableQueries {
  /** A query of the rows, in the form that {@link TableDescription.documentOf} takes. */
  readonly rows: string;
  /** The id of a row. */
  readonly id: string;
  /** Types of the key's columns. */
  readonly keyTypes: readonly string[];
}

/** The table does not fit the declaration; the message says what to change. */
const DOES_NOT_FIT = "LS004";
const UNDEFINED_TABLE = "42P01";

/** The table of one entity. */
export class ReplicaTable {
  /** Null: the table has no column of the version. */
  readonly versionColumn: string | null;
  /** Why the table does not fit the declaration, for people; undefined while it does. */
  problem: string | undefined;
  private function: string | undefined;
  private queries: Promise<TableQueries> | undefined;

  constructor(readonly description: TableDescription) {
    this.versionColumn = description.options.version;
  }

  get name(): string {
    return this.description.name;
  }

  /** The options as JSON. */
  get options(): string {
    return JSON.stringify(this.description.options);
  }

  /** The row of a change. The change's own version wins over the one in its document. */
  rowOf({ document, version }: Pick<RoutedEvent, "version"> & { readonly document: Document }): Row {
    const row = this.description.rowOf(document);
    if (this.versionColumn !== null) row[this.versionColumn] = version;
    return row;
  }

  /** The document of a row of {@link TableQueries.rows}. @param row text of its JSON. */
  documentOf(row: string): Document {
    return this.description.documentOf(row);
  }

  /**
   * Name of the function that applies changes. The first call creates it, if the database does not have it.
   *
   * @throws {TableRejectsError} when the table does not fit the declaration.
   * @throws the database's error.
   */
  async applyFunction(database: Database): Promise<string> {
    this.function ??= await this.replicate(database);
    return this.function;
  }

  /** How to read the table. @throws the database's error. */
  readQueries(database: Database): Promise<TableQueries> {
    if (!this.queries) {
      const reading = this.describe(database);
      this.queries = reading;
      reading.catch(() => this.forget());
    }
    return this.queries;
  }

  /** The database may have been replaced, or its tables changed: asks again what it has. */
  forget(): void {
    this.function = undefined;
    this.queries = undefined;
  }

  private async replicate(database: Database): Promise<string> {
    const { entity, replica, name } = this.description;
    try {
      const [row] = await database.query(
        (sql) => sql<{ name: string }[]>`
          select lockstep.replicate(${name}::text::regclass, ${entity.name}::text, ${this.options}::text::jsonb) as name`,
      );
      this.problem = undefined;
      return row!.name;
    } catch (error) {
      const code = codeOf(error);
      if (code !== DOES_NOT_FIT && code !== UNDEFINED_TABLE) throw error;
      const { message, hint } = error as { message: string; hint?: string };
      const remedy = code === UNDEFINED_TABLE ? "Create it by a migration." : hint;
      this.problem = `replica ${replica}: ${message}${remedy ? `. ${remedy}` : ""}`;
      throw new TableRejectsError(this.problem, { cause: error });
    }
  }

  private async describe(database: Database): Promise<TableQueries> {
    const [row] = await database.query(
      (sql) => sql<{ rows: string; id: string; types: string }[]>`
        select row_query as rows, key_text as id, to_json(key_types)::text as types
        from lockstep.describe(${this.name}::text::regclass, ${this.options}::text::jsonb)`,
    );
    return { rows: row!.rows, id: row!.id, keyTypes: JSON.parse(row!.types) as string[] };
  }
}

const columnsIn = (fields: Fields, members: readonly string[]): string[] =>
  members.map((member) => fields[member]!.column);

/** The table of an entity in a replica, by their declarations. */
export function replicaTable(entity: EntityDeclaration, replica: ReplicaDeclaration): ReplicaTable {
  return new ReplicaTable({
    entity,
    replica: replica.name,
    name: quotedTable(replica.table),
    options: {
      key: columnsIn(replica.fields, replica.key),
      keyTypes: replica.key.map((member) => replica.fields[member]!.baseType ?? replica.fields[member]!.type),
      columns: columnsOf(replica),
      version: replica.version === undefined ? null : replica.fields[replica.version]!.column,
      children: Object.entries(replica.children).map(([member, child]) => ({
        member,
        relation: quotedTable(child.table),
        key: columnsIn(child.fields, child.key),
        parentKey: columnsIn(child.fields, child.parentKey),
        columns: columnsOf(child),
      })),
    },
    rowOf: (document) => rowOf(replica, document),
    documentOf: (row) => documentOf(replica, parseRow(replica, row)),
  });
}
