/**
 * The SQL of one entity: the files of this folder with `{table}` and `{columns}` filled in from the declaration. A write is part of
 * one statement, and so of one transaction: the row, its version and its outbox row (by trigger) stand or fall
 * together, and no lost connection can leave half of it. There is one text for each, whatever members a change has, since every
 * text is a prepared statement in every connection.
 */
import { columnOf, type EntityDeclaration } from "../../contracts/entity.ts";
import insert from "./insert.sql" with { type: "text" };
import list from "./list.sql" with { type: "text" };
import read from "./read.sql" with { type: "text" };
import remove from "./remove.sql" with { type: "text" };
import update from "./update.sql" with { type: "text" };

const files = { insert, update, remove, read, list };

export type Statements = Readonly<Record<keyof typeof files, string>>;

export function statementsOf(entity: Pick<EntityDeclaration, "plural" | "fields">): Statements {
  const table = quoted(entity.plural);
  const columns = Object.keys(entity.fields).map(columnOf).map(quoted).join(", ");
  const filled = (text: string) => text.replaceAll("{table}", table).replaceAll("{columns}", columns);
  return {
    insert: filled(insert),
    update: filled(update),
    remove: filled(remove),
    read: filled(read),
    list: filled(list),
  };
}

/** A field may be named like a word of SQL: `order`. */
const quoted = (name: string): string => `"${name}"`;
