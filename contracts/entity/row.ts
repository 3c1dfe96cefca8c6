/** Maps rows of a table to documents, and documents to rows. Pure. */
import type { ChildDeclaration, Shape } from "./declaration.ts";
import type { Document } from "./document.ts";
import type { Field } from "./field.ts";

/** A row by the names of its columns, and lists of child rows by the members that have them. */
export type Row = Record<string, unknown>;

type Member = readonly [member: string, column: string, fromColumn: Field["fromColumn"]];

interface Members {
  readonly fields: readonly Member[];
  readonly children: readonly (readonly [member: string, members: Members])[];
}

const membersByFields = new WeakMap<Shape["fields"], Members>();

/** All members of a document, in its order. */
function membersOf({ fields, children }: Shape): Members {
  let members = membersByFields.get(fields);
  if (!members) {
    members = {
      fields: Object.entries(fields).map(([member, { column, fromColumn }]) => [member, column, fromColumn]),
      children: Object.entries(children).map(([member, child]) => [member, membersOf(asShape(child))]),
    };
    membersByFields.set(fields, members);
  }
  return members;
}

const asShape = ({ fields }: ChildDeclaration): Shape => ({ fields, children: {} });

/**
 * The document for a row. Undeclared columns are left out, and nothing is validated.
 *
 * @param row as capture writes it: PostgreSQL's `to_jsonb(row)`, with texts for types that `to_jsonb` changes.
 */
export const documentOf = (shape: Shape, row: Row): Document => toDocument(membersOf(shape), row);

function toDocument({ fields, children }: Members, row: Row): Document {
  const document: Document = {};
  for (const [member, column, fromColumn] of fields) document[member] = fromColumn(row[column] ?? null);
  for (const [member, members] of children)
    document[member] = rowsOf(row[member]).map((child) => toDocument(members, child));
  return document;
}

const rowsOf = (value: unknown): readonly Row[] => (Array.isArray(value) ? value : []);

/** Returns the declared members in the order in which {@link documentOf} returns them. */
export const orderMembers = (shape: Shape, document: Document): Document => toOrdered(membersOf(shape), document);

function toOrdered({ fields, children }: Members, document: Document): Document {
  const ordered: Document = {};
  for (const [member, , fromColumn] of fields) ordered[member] = fromColumn(document[member] ?? null);
  for (const [member, members] of children)
    ordered[member] = rowsOf(document[member]).map((child) => toOrdered(members, child));
  return ordered;
}

/** The row for a document or a part of one: the same values under the names of their columns. */
export const rowOf = (shape: Shape, document: Document): Row => {
  const row: Row = {};
  for (const member in document) {
    const child = shape.children[member];
    if (child) row[member] = rowsOf(document[member]).map((line) => rowOf(asShape(child), line));
    else row[shape.fields[member]?.column ?? member] = document[member];
  }
  return row;
};
