/** Documents and changes that follow from the example of a declaration. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { exampleDocument, exampleInput } from "../../contracts/entity/example.ts";
import type { Field } from "../../contracts/entity/field.ts";
import { patchSchema } from "../../contracts/entity/schemas.ts";
import { UserError } from "../../contracts/errors.ts";
import type { Random } from "./random.ts";

/** Values of the first changeable member in a document of the example, at most this many different ones. */
const VARIANTS = 1_000;

/** The example with a value of its own in each unique member, and another value in the member that changes. */
export function exampleVariant(entity: EntityDeclaration, unique: string, random: Random): Document {
  const change = changeableMember(entity);
  return { ...exampleInput(entity, unique), ...(change ? { [change.member]: change.value(number(random)) } : {}) };
}

/**
 * Makes merge patches of one member. Every replica that keeps the example keeps the changed one too.
 *
 * @throws {UserError} from the returned function, when no member can change.
 */
export function exampleChange(entity: EntityDeclaration): (random: Random) => Document {
  const change = changeableMember(entity);
  return (random) => {
    if (change) return { [change.member]: change.value(number(random)) };
    throw new UserError(
      `no member of ${entity.name} can take several values beside its example; export \`change\` from workload.ts`,
    );
  };
}

const number = (random: Random): number => Math.floor(random() * VARIANTS);

interface Change {
  readonly member: string;
  readonly value: (n: number) => unknown;
}

const changeable = new WeakMap<EntityDeclaration["fields"], Change | undefined>();

/** The first member, numbers before texts, of which all values fit its rules and the filters. */
function changeableMember(entity: EntityDeclaration): Change | undefined {
  if (!changeable.has(entity.fields)) changeable.set(entity.fields, findChange(entity));
  return changeable.get(entity.fields);
}

function findChange(entity: EntityDeclaration): Change | undefined {
  const document = exampleDocument(entity);
  if (!document) return undefined;
  const members = Object.entries(entity.fields)
    .filter(([member, { readOnly }]) => !readOnly && !entity.key.includes(member))
    .filter(([member]) => !entity.unique.includes(member) && !(member in entity.references));
  const changes = (["number", "numeric", "float", "text"] as const).flatMap((kind) =>
    members
      .filter(([, field]) => field.kind === kind)
      .map(([member, field]) => ({ member, value: valuesOf(field, document[member]) })),
  );
  const fits = ({ member, value }: Change, n: number): boolean => {
    const changed = { ...document, [member]: value(n) };
    return (
      patchSchema(entity).safeParse({ [member]: value(n) }).success &&
      entity.replicas.every(({ filter }) => !filter(document) || filter(changed))
    );
  };
  return changes.find((change) => [0, 1, VARIANTS / 2, VARIANTS - 1].every((n) => fits(change, n)));
}

function valuesOf({ kind, scale }: Field, example: unknown): (n: number) => unknown {
  if (kind === "text") return (n) => `${example ?? ""} ${n}`.trim();
  if (kind === "numeric") return (n) => (scale ? `${n}.${"5".padEnd(scale, "0")}` : String(n));
  return (n) => n;
}
