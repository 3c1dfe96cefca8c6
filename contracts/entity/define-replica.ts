/** Makes the declaration of a replica from its options, and checks it. */
import type { ChildDeclaration, EntityDeclaration, ReplicaDeclaration } from "./declaration.ts";
import { ownMembers } from "./declaration.ts";
import { derivedColumn } from "./derive.ts";
import type { Document } from "./document.ts";
import type { ReplicaOptions } from "./entity-options.ts";
import type { Field, Fields } from "./field.ts";
import { type Mask, maskedField } from "./mask.ts";

/** Options of a replica, as they are without types. */
type Options = ReplicaOptions<never, never>;
type Masks = Readonly<Record<string, Mask<unknown>>>;
type Children = ReplicaDeclaration["children"];
/** Computes one member. It gets the source's document, and the value there. */
type Compute = (value: unknown, document: Document) => unknown;

/**
 * Declares a replica of an entity.
 *
 * @throws {Error} when the options name a member that the entity does not have, or leave out one that each replica
 * needs.
 */
export function defineReplica(entity: EntityDeclaration, name: string, options: Options): ReplicaDeclaration {
  const where = `entity ${entity.name}: replica ${name}`;
  checkNames(where, entity, options);
  const masks = masksOf(options);
  const kept = keptMembers(entity, options, masks);
  const derive: Readonly<Record<string, { readonly from: unknown }>> = options.derive ?? {};
  const derived = Object.fromEntries(
    Object.entries(options.derive ?? {}).map(([member, { column }]) => [member, derivedColumn(member, column)]),
  );
  const fields = inOrder(entity, kept, masks, derived);
  const children = childrenOf(where, entity, kept, options);
  const { where: filter, onApplied, upcasters, placeholders } = options;
  return {
    name,
    key: entity.key,
    ...(entity.version === undefined ? {} : { version: entity.version }),
    ...(entity.createdAt === undefined ? {} : { createdAt: entity.createdAt }),
    ...(entity.updatedAt === undefined ? {} : { updatedAt: entity.updatedAt }),
    table: options.table ?? { name: entity.table.name },
    fields,
    children,
    filter: (filter as ((document: Document) => boolean) | undefined) ?? (() => true),
    unchanged: Object.keys(fields).filter((member) => !(member in masks) && !(member in derive)),
    masks: Object.fromEntries(Object.entries(masks).filter(([member]) => member in fields)),
    project: projection(fields, children, { ...computedBy(masks), ...fromDocument(derive) }),
    cacheTtlSeconds: options.cacheTtlSeconds ?? 3600,
    ...(onApplied ? { onApplied: onApplied as NonNullable<ReplicaDeclaration["onApplied"]> } : {}),
    ...(upcasters ? { upcasters } : {}),
    ...(placeholders ? { placeholders } : {}),
  };
}

function checkNames(where: string, entity: EntityDeclaration, options: Options): void {
  const own = ownMembers(entity);
  const { pick = [], omit = [], mask = {} } = options;
  const named = { pick, omit, mask: Object.keys(mask) };
  for (const [option, members] of Object.entries<readonly string[]>(named))
    for (const member of members) {
      if (!(member in entity.fields) && !(member in entity.children))
        throw new Error(`${where}: ${option} names ${member}, which is not declared`);
      if (option !== "pick" && own.includes(member))
        throw new Error(`${where}: ${option} names ${member}, which each replica needs`);
      if (option === "mask" && member in entity.children)
        throw new Error(`${where}: mask names ${member}; mask members of a child with a view of your own`);
    }
  const missing =
    options.pick && entity.key.length > 1 && entity.key.find((member) => !(named.pick as string[]).includes(member));
  if (missing) throw new Error(`${where}: pick must name ${missing}, which belongs to the key`);
  for (const member of Object.keys(options.derive ?? {}))
    if (own.includes(member) || member in entity.children)
      throw new Error(`${where}: derive has ${member}, which each replica has from the source`);
}

/** Masks by member; a function of the declaration becomes one. */
const masksOf = ({ mask = {} }: Options): Masks =>
  Object.fromEntries(
    Object.entries(mask as Readonly<Record<string, Mask<unknown> | Compute>>).map(([member, given]) => [
      member,
      typeof given === "function" ? { kind: "function", apply: given } : given,
    ]),
  );

/** Members of the source's document that the replica has, in its order. */
function keptMembers(entity: EntityDeclaration, options: Options, masks: Masks): string[] {
  const { omit = [], pick } = options as { omit?: readonly string[]; pick?: readonly string[] };
  const own = ownMembers(entity);
  const isKept = (member: string): boolean => {
    if (own.includes(member)) return true;
    if (omit.includes(member) || masks[member]?.kind === "omit") return false;
    if (member in masks) return true;
    return pick ? pick.includes(member) : !entity.fields[member]?.private;
  };
  return [...Object.keys(entity.fields), ...Object.keys(entity.children)].filter(isKept);
}

/** The replica's fields: derived ones stand before the members that Lockstep sets, where those are the last. */
function inOrder(entity: EntityDeclaration, kept: readonly string[], masks: Masks, derived: Fields): Fields {
  const { version, createdAt, updatedAt } = entity;
  const own = [version, createdAt, updatedAt];
  const members = kept.filter((member) => member in entity.fields && !(member in derived));
  const end = members.findLastIndex((member) => !own.includes(member)) + 1;
  const fieldOf = (member: string): [string, Field] => {
    const field = entity.fields[member]!;
    return [member, masks[member] ? maskedField(field, masks[member]) : field];
  };
  return Object.fromEntries([
    ...members.slice(0, end).map(fieldOf),
    ...Object.entries(derived),
    ...members.slice(end).map(fieldOf),
  ]);
}

function childrenOf(where: string, entity: EntityDeclaration, kept: readonly string[], options: Options): Children {
  for (const member of Object.keys(options.children ?? {}))
    if (!(member in entity.children)) throw new Error(`${where}: children names ${member}, which is not declared`);
  return Object.fromEntries(
    Object.entries(entity.children)
      .filter(([member]) => kept.includes(member))
      .map(([member, child]) => [
        member,
        keptChild(`${where}: child ${member}`, child, options.children?.[member] ?? {}),
      ]),
  );
}

function keptChild(
  where: string,
  child: ChildDeclaration,
  { pick, omit = [] }: { readonly pick?: readonly string[]; readonly omit?: readonly string[] },
): ChildDeclaration {
  const own = [...child.parentKey, ...child.key];
  for (const member of [...(pick ?? []), ...omit])
    if (!(member in child.fields)) throw new Error(`${where}: ${member} is not declared`);
  const needed = omit.find((member) => own.includes(member));
  if (needed !== undefined) throw new Error(`${where}: omit names ${needed}, which belongs to its key`);
  const fields = Object.entries(child.fields).filter(
    ([member, field]) =>
      own.includes(member) || (!omit.includes(member) && (pick ? pick.includes(member) : !field.private)),
  );
  return { ...child, table: { name: child.table.name }, fields: Object.fromEntries(fields) };
}

/** A mask is not called for null. */
const computedBy = (masks: Masks): Record<string, Compute> =>
  Object.fromEntries(
    Object.entries(masks).map(([member, { apply }]) => [
      member,
      (value: unknown, document: Document) => (value === null ? null : apply(value, document)),
    ]),
  );

const fromDocument = (derive: Readonly<Record<string, { readonly from: unknown }>>): Record<string, Compute> =>
  Object.fromEntries(
    Object.entries(derive).map(([member, { from }]) => [
      member,
      (_: unknown, document: Document) => (from as (document: Document) => unknown)(document),
    ]),
  );

/** The function that makes the replica's document. */
function projection(
  fields: Fields,
  children: Children,
  computed: Readonly<Record<string, Compute>>,
): ReplicaDeclaration["project"] {
  const members = Object.keys(fields).map((member) => [member, computed[member]] as const);
  const lists = Object.entries(children).map(([member, child]) => [member, Object.keys(child.fields)] as const);
  return (document, into = {}) => {
    for (const [member, compute] of members)
      into[member] = compute ? compute(document[member], document) : document[member];
    for (const [member, names] of lists)
      into[member] = (document[member] as readonly Document[]).map((row) =>
        Object.fromEntries(names.map((name) => [name, row[name]])),
      );
    return into;
  };
}
