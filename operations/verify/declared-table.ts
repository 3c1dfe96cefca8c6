/** The tables of an entity in the source and in a replica, as their declarations describe them. Pure. */
import type {
  ChildDeclaration,
  EntityDeclaration,
  ReplicaDeclaration,
  Shape,
} from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import type { Fields } from "../../contracts/entity/field.ts";
import { parseRow } from "../../contracts/entity/parse.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import type { Table } from "../../contracts/entity/table.ts";

/** The column of one member. */
export interface DeclaredColumn {
  readonly column: string;
  /** Names of the type: its own, and for a domain the one that it restricts. */
  readonly types: readonly string[];
  readonly isNullable: boolean;
  /** True for a `timestamptz` whose documents have milliseconds, also when the column has microseconds. */
  readonly inMilliseconds: boolean;
  /** True for a `numeric` whose documents have a fixed number of decimals, also when the column has not. */
  readonly hasScale: boolean;
}

/** Columns by member, in the order of the document. */
export type DeclaredColumns = ReadonlyMap<string, DeclaredColumn>;

/** A table with a row for each entity. */
export interface DeclaredTable {
  readonly table: Table;
  /** Columns of the key, in its order. */
  readonly key: readonly string[];
  /** Column of the version; undefined: versions are beside the table. */
  readonly version: string | undefined;
  readonly columns: DeclaredColumns;
  readonly children: readonly DeclaredChild[];
}

/** A table whose rows belong to an entity's document. */
export interface DeclaredChild {
  /** Member of the document that has the rows. */
  readonly member: string;
  readonly table: Table;
  /** Columns that identify a row within its parent. */
  readonly key: readonly string[];
  /** Columns that have the parent's key, in its order. */
  readonly parentKey: readonly string[];
  readonly columns: DeclaredColumns;
}

/** The entity's table in the source. */
export const sourceTable = (entity: EntityDeclaration): DeclaredTable => tableOf(entity, entity);

/** The entity's table in a replica. */
export const replicaTable = (replica: ReplicaDeclaration): DeclaredTable => tableOf(replica, replica);

const tableOf = (
  { key, version }: Pick<EntityDeclaration, "key" | "version">,
  { table, fields, children }: Shape & { readonly table: Table },
): DeclaredTable => ({
  table,
  key: columnsOf(fields, key),
  version: version === undefined ? undefined : fields[version]!.column,
  columns: declaredColumns(fields),
  children: Object.entries(children).map(([member, child]) => childOf(member, child)),
});

const childOf = (member: string, { table, fields, key, parentKey }: ChildDeclaration): DeclaredChild => ({
  member,
  table,
  key: columnsOf(fields, key),
  parentKey: columnsOf(fields, parentKey),
  columns: declaredColumns(fields),
});

const columnsOf = (fields: Fields, members: readonly string[]): string[] =>
  members.map((member) => fields[member]!.column);

const declaredColumns = (fields: Fields): DeclaredColumns =>
  new Map(
    Object.entries(fields).map(([member, { column, type, baseType, nullable }]) => {
      const types = baseType === undefined ? [type] : [type, baseType];
      const inMilliseconds = types.some(hasMilliseconds);
      return [member, { column, types, isNullable: nullable, inMilliseconds, hasScale: types.some(hasScale) }];
    }),
  );

const hasMilliseconds = (type: string): boolean => /^timestamp\([0-3]\) with time zone$/.test(type);
const hasScale = (type: string): boolean => type.startsWith("numeric(");

/** The same tables in another schema, under the same names. Undefined: as they are. */
export const inSchema = (declared: DeclaredTable, schema: string | undefined): DeclaredTable =>
  schema === undefined
    ? declared
    : {
        ...declared,
        table: { schema, name: declared.table.name },
        children: declared.children.map((child) => ({ ...child, table: { schema, name: child.table.name } })),
      };

/** Members whose values the replica takes from the source as they are. The version is compared as such. */
export const unchangedMembers = ({ version }: EntityDeclaration, { unchanged }: ReplicaDeclaration): string[] =>
  unchanged.filter((member) => member !== version);

/** Members whose values the replica's declaration computes: derived and masked ones. */
export const computedMembers = ({ fields, unchanged }: ReplicaDeclaration): string[] =>
  Object.keys(fields).filter((member) => !unchanged.includes(member));

/** The document of a row that is JSON as {@link documentOf} expects it. */
export const parseDocumentRow = (shape: Shape, text: string): Document => documentOf(shape, parseRow(shape, text));

/** True when two values of documents are the same. */
export const hasSameValue = (a: unknown, b: unknown): boolean => Bun.deepEquals(a, b, true);
