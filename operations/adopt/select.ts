/** Finds the relations that the arguments of a command name. Pure. */
import { UserError } from "../../contracts/errors.ts";
import { type Relation, relationText } from "./catalog.ts";

/** What was named on the command line. */
export interface Selection {
  readonly tables: readonly string[];
  readonly schemas: readonly string[];
  readonly all: boolean;
}

/**
 * The relations in the order of the catalogue. A partition is chosen by its name only; with a schema or all of them its
 * table stands for it.
 *
 * @throws {UserError} when nothing is named, or a name finds nothing.
 */
export function selectRelations(relations: readonly Relation[], { tables, schemas, all }: Selection): Relation[] {
  if (!all && schemas.length === 0 && tables.length === 0)
    throw new UserError("name the tables to adopt, or use --schema NAME or --all", "NOTHING_SELECTED");
  for (const schema of schemas)
    if (!relations.some((relation) => relation.schema === schema))
      throw new UserError(
        `the source has no schema ${schema} with tables; it has: ${schemasText(relations)}`,
        "UNKNOWN_SCHEMA",
      );
  const named = new Set(tables.map((name) => findRelation(relations, name)));
  return relations.filter((relation) => named.has(relation) || all || schemas.includes(relation.schema));
}

const schemasText = (relations: readonly Relation[]): string =>
  [...new Set(relations.map(({ schema }) => schema))].join(", ");

/**
 * Finds a relation by its name: `film`, `app.users`, `trade."Order Details"`, or `trade.Order Details` without quotes.
 *
 * @throws {UserError} when there is none, or more than one.
 */
export function findRelation(relations: readonly Relation[], name: string): Relation {
  const found =
    relations.find((relation) => relationText(relation) === name || `${relation.schema}.${relation.name}` === name) ??
    relations.find((relation) => relation.schema === "public" && relation.name === name);
  if (found) return found;
  const byName = relations.filter((relation) => relation.name === name.replace(/^"(.*)"$/, "$1"));
  if (byName.length === 1) return byName[0]!;
  if (byName.length > 1)
    throw new UserError(
      `several tables have the name ${name}: ${byName.map(relationText).join(", ")}`,
      "AMBIGUOUS_TABLE",
    );
  const similar = relations.filter((one) => one.name.toLowerCase().includes(name.replace(/^.*\./, "").toLowerCase()));
  const hint = similar.length > 0 ? `; did you mean ${similar.slice(0, 3).map(relationText).join(" or ")}?` : "";
  throw new UserError(`the source has no table ${name}${hint}`, "UNKNOWN_TABLE");
}
