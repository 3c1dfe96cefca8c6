/**
 * The SQL of one entity: the files of this folder with `{table}` and `{columns}` filled in from the declaration. A write is part of
 * one statement, and so of one transaction: the row, its version, its outbox row (by trigger) and its idempotency key stand or fall
 * together, and no lost connection can leave half of it. There is one text for each, whatever members a change has, since every
 * text is a prepared statement in every connection.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { columnOf } from "../../contracts/entity/row.ts";
import insert from "./insert.sql" with { type: "text" };
import list from "./list.sql" with { type: "text" };
import read from "./read.sql" with { type: "text" };
import recall from "./recall.sql" with { type: "text" };
import remember from "./remember.sql" with { type: "text" };
import remove from "./remove.sql" with { type: "text" };
import update from "./update.sql" with { type: "text" };

/** A write's statement. */
export interface WriteText {
  readonly plain: string;
  /** For writes of which one or more have an idempotency key. */
  readonly remembering: string;
}

export interface Statements {
  readonly insert: WriteText;
  readonly update: WriteText;
  readonly remove: WriteText;
  readonly read: string;
  readonly list: string;
  readonly lookupKey: string;
}

export function statementsOf(entity: Pick<EntityDeclaration, "plural" | "fields">): Statements {
  const table = quoted(entity.plural);
  const columns = Object.keys(entity.fields).map(columnOf).map(quoted).join(", ");
  const filled = (text: string) => text.replaceAll("{table}", table).replaceAll("{columns}", columns);
  const write = (text: string): WriteText => ({
    plain: filled(text.replace("{remember}", "")),
    remembering: filled(text.replace("{remember}", () => remember)),
  });
  return {
    insert: write(insert),
    update: write(update),
    remove: write(remove),
    read: filled(read),
    list: filled(list),
    lookupKey: recall,
  };
}

/** A field may be named like a word of SQL: `order`. */
const quoted = (name: string): string => `"${name}"`;
