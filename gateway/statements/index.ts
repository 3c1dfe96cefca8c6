/**
 * The SQL of one entity: the files of this folder with `{table}` and `{columns}` filled in from the declaration.
 *
 * A write is part of one statement and therefore of one transaction. Its row, version, outbox row (by trigger) and
 * idempotency key are committed together, and a lost connection cannot leave a part of them. The text is the same for
 * every change, whatever members it has, because each text is a prepared statement in every connection.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { columnOf } from "../../contracts/entity/row.ts";
import insert from "./insert.sql" with { type: "text" };
import list from "./list.sql" with { type: "text" };
import read from "./read.sql" with { type: "text" };
import remove from "./remove.sql" with { type: "text" };
import storeKey from "./store-key.sql" with { type: "text" };
import update from "./update.sql" with { type: "text" };

/** The two texts of one kind of write. */
export interface WriteStatement {
  /** For writes without an idempotency key. */
  readonly plain: string;
  /** For a list of writes in which at least one has an idempotency key. */
  readonly storingKeys: string;
}

/** The statements of one entity. */
export interface Statements {
  readonly insert: WriteStatement;
  readonly update: WriteStatement;
  readonly remove: WriteStatement;
  readonly read: string;
  readonly list: string;
}

/** Fills the statements in for one entity. */
export function statementsOf(entity: Pick<EntityDeclaration, "plural" | "fields">): Statements {
  const table = quoted(entity.plural);
  const columns = Object.keys(entity.fields).map(columnOf).map(quoted).join(", ");
  const fill = (text: string) => text.replaceAll("{table}", table).replaceAll("{columns}", columns);
  const writeStatement = (text: string): WriteStatement => ({
    plain: fill(text.replace("{store_key}", "")),
    storingKeys: fill(text.replace("{store_key}", () => storeKey)),
  });
  return {
    insert: writeStatement(insert),
    update: writeStatement(update),
    remove: writeStatement(remove),
    read: fill(read),
    list: fill(list),
  };
}

/** Quotes a name, because a field may have the name of an SQL keyword: `order`. */
const quoted = (name: string): string => `"${name}"`;
