/** Maps rows of a table to documents, and documents to rows. Pure. */
import type { Document } from "./document.ts";
import { type Field, systemFields } from "./fields.ts";

/** Column names by member. Documents have declared members only, so this map stays as small as the declarations. */
const columns = new Map<string, string>();

/** The column of a member: `createdAt` → `created_at`. */
export function columnOf(member: string): string {
  let column = columns.get(member);
  if (column === undefined) {
    column = member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    columns.set(member, column);
  }
  return column;
}

type Member = readonly [member: string, column: string, fromColumn: Field["fromColumn"]];
const membersByFields = new WeakMap<Readonly<Record<string, Field>>, readonly Member[]>();

/** All members of a document with these fields, in the order that a document has them. */
function membersOf(fields: Readonly<Record<string, Field>>): readonly Member[] {
  let members = membersByFields.get(fields);
  if (!members) {
    const { id, version, ...times } = systemFields;
    const all = Object.entries({ id, ...fields, ...times, version });
    members = all.map(([member, { fromColumn }]) => [member, columnOf(member), fromColumn] as const);
    membersByFields.set(fields, members);
  }
  return members;
}

/**
 * The document for a row. Undeclared columns are left out, and nothing is validated.
 *
 * @param row as PostgreSQL's `to_jsonb(row)` returns it.
 */
export function documentOf(fields: Readonly<Record<string, Field>>, row: Record<string, unknown>): Document {
  const document: Document = {};
  for (const [member, column, fromColumn] of membersOf(fields)) document[member] = fromColumn(row[column] ?? null);
  return document;
}

/** Returns the declared members in the order in which {@link documentOf} returns them. */
export function orderMembers(fields: Readonly<Record<string, Field>>, document: Document): Document {
  const ordered: Document = {};
  for (const [member, , fromColumn] of membersOf(fields)) ordered[member] = fromColumn(document[member] ?? null);
  return ordered;
}

/** The row for a document: the same values under the names of their columns. */
export function rowOf(document: Document): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const member in document) row[columnOf(member)] = document[member];
  return row;
}
