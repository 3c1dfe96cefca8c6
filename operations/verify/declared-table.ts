/** The tables of an entity in the source and in a replica, as their declarations describe them. Pure. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { type Field, systemFields } from "../../contracts/entity/fields.ts";
import type { KeyedEntity } from "../../contracts/entity/key.ts";
import { columnOf, documentOf } from "../../contracts/entity/row.ts";
import type { Table } from "../../contracts/entity/table.ts";
import { parseJson } from "../../platform/postgres/parse-json.ts";

/** One member of a document. */
export interface DeclaredColumn {
  readonly column: string;
  /** Names of the type: its own, and for a domain the one that it restricts. Empty: not declared. */
  readonly types: readonly string[];
  readonly isNullable: boolean;
  readonly inMilliseconds: boolean;
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
export const sourceTable = (entity: EntityDeclaration): DeclaredTable => tableOf(entity, entity.fields);

/** The entity's table in a replica. */
export const replicaTable = (entity: EntityDeclaration, replica: ReplicaDeclaration): DeclaredTable =>
  tableOf(entity, replica.fields);

const tableOf = ({ plural }: EntityDeclaration, fields: Readonly<Record<string, Field>>): DeclaredTable => {
  const { id, version, createdAt, updatedAt } = systemFields;
  const members = Object.keys({ id, ...fields, createdAt, updatedAt, version });
  return {
    table: { name: plural },
    key: ["id"],
    version: "version",
    columns: new Map(
      members.map((member) => [
        member,
        { column: columnOf(member), types: [], isNullable: false, inMilliseconds: true },
      ]),
    ),
    children: [],
  };
};

/** The same tables in another schema, under the same names. Undefined: as they are. */
export const inSchema = (declared: DeclaredTable, schema: string | undefined): DeclaredTable =>
  schema === undefined
    ? declared
    : {
        ...declared,
        table: { schema, name: declared.table.name },
        children: declared.children.map((child) => ({ ...child, table: { schema, name: child.table.name } })),
      };

/** What is needed of the declaration to read ids. */
export const keyedEntity = ({ name }: EntityDeclaration): KeyedEntity => ({ name, fields: {} });

/** Members whose values the replica takes from the source as they are. The version is compared as such. */
export const unchangedMembers = (_entity: EntityDeclaration, { unchanged }: ReplicaDeclaration): string[] => [
  ...unchanged,
  "createdAt",
  "updatedAt",
];

/** Members whose values the replica's declaration computes: derived and masked ones. */
export const computedMembers = ({ fields, unchanged }: ReplicaDeclaration): string[] =>
  Object.keys(fields).filter((member) => !unchanged.includes(member));

/** Reads a row that {@link documentOf} understands from JSON. */
export const parseDocumentRow = (
  { fields }: Pick<EntityDeclaration | ReplicaDeclaration, "fields">,
  text: string,
): Document => documentOf(fields, parseJson(text) as Record<string, unknown>);

/** True when two documents of a shape have the same values. */
export const hasSameValue = (a: unknown, b: unknown): boolean => Bun.deepEquals(a, b, true);
