/**
 * Reads the bodies of requests without their schemas, which take 20 times as long. The result is what the schema
 * returns. The schema decides about bodies that cannot be read here. Pure.
 */
import type { EntityDeclaration } from "./declaration.ts";
import type { Field } from "./field.ts";
import type { QuickCheck } from "./quick-check.ts";
import { writable } from "./schemas.ts";

/** Reads a body. Undefined: the schema decides. */
export type QuickInput = (value: unknown) => Record<string, unknown> | undefined;

/** Reads a request that creates an entity, see `inputSchema`. */
export const quickInput = (entity: EntityDeclaration): QuickInput => quickInputWithout(entity, []);

/** Reads a request that replaces an entity, see `replaceSchema`. */
export const quickReplace = (entity: EntityDeclaration): QuickInput => quickInputWithout(entity, entity.key);

/** Reads a merge patch, see `patchSchema`. A patch that resets members to their initial values has no quick form. */
export function quickPatch({ fields, children, key }: EntityDeclaration): QuickInput {
  const members = Object.entries(writable(fields, key)).map(
    ([member, field]): Member => [member, patchCheckOf(field), undefined],
  );
  return reader(members, Object.keys(children).length === 0);
}

/** Null resets a member to its initial value, also where it is a value of nested JSON. */
function patchCheckOf({ nullable, quickCheck, ...field }: Field): QuickCheck {
  return nullable || !("initial" in field) ? quickCheck : (value) => value !== null && quickCheck(value);
}

/** @returns the value of a missing member; {@link REQUIRED} where there is none. */
type Missing = () => unknown;
/** Without the third part, a missing member is left out. */
type Member = readonly [member: string, check: QuickCheck, missing: Missing | undefined];

const REQUIRED = Symbol("required");

function quickInputWithout({ fields, children }: EntityDeclaration, omitted: readonly string[]): QuickInput {
  const members = Object.entries(writable(fields, omitted)).map(
    ([member, field]): Member => [member, field.quickCheck, missingOf(field)],
  );
  return reader(members, Object.keys(children).length === 0);
}

function missingOf(field: Field): Missing | undefined {
  if ("initial" in field) {
    const { initial } = field;
    return typeof initial === "object" && initial !== null ? () => structuredClone(initial) : () => initial;
  }
  if (field.hasDatabaseDefault) return undefined;
  return field.nullable ? () => null : () => REQUIRED;
}

/** Lists of children have no quick form. */
function reader(members: readonly Member[], hasQuickForm: boolean): QuickInput {
  if (!hasQuickForm) return () => undefined;
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    const given = value as Readonly<Record<string, unknown>>;
    const result: Record<string, unknown> = {};
    let known = 0;
    for (const [member, check, missing] of members) {
      if (Object.hasOwn(given, member)) {
        const own = given[member];
        if (!check(own)) return undefined;
        result[member] = own;
        known++;
      } else if (missing !== undefined) {
        const initial = missing();
        if (initial === REQUIRED) return undefined;
        result[member] = initial;
      }
    }
    return Object.keys(given).length === known ? result : undefined;
  };
}
