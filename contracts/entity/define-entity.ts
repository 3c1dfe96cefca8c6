/** Makes the declaration of an entity from its Drizzle table and its options, and checks it. */
import { is } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import { checkEntity, checkUpcasters } from "./check-declaration.ts";
import type { ChildDeclaration, EntityDeclaration } from "./declaration.ts";
import { defineReplica } from "./define-replica.ts";
import type {
  Aggregate,
  Child,
  Children,
  Entity,
  EntityOptions,
  EntitySource,
  Only,
  ReplicaDocument,
  ReplicaOptions,
  SourceDocument,
  SourceInput,
  TableOf,
} from "./entity-options.ts";
import type { MemberName, PrimaryKey, RowDocument, Rules } from "./infer.ts";
import { constraintsOf, fieldsOf, primaryKeyOf, tableOf } from "./table-fields.ts";

/** Options of every replica, without the types of one entity. */
type AnyReplicaOptions = ReplicaOptions<never, never>;

/**
 * Declares an entity: a table, what is private, and what each replica keeps.
 *
 * @param source a table of Drizzle with all columns that replicas or clients need, or an {@link aggregate}. Columns
 * that are not declared stay where they are.
 * @throws {Error} for a contradiction in the declaration; the message names the entity and the member. The process then
 * does not start.
 * @example
 * export const product = defineEntity(products, {
 *   name: "product",
 *   private: ["cost"],
 *   replicas: { catalog: {}, storefront: { where: (p) => p.status === "active", omit: ["stock"] } },
 * });
 */
export function defineEntity<
  S extends EntitySource,
  const R extends Readonly<Record<string, ReplicaOptions<SourceDocument<S>, Own | PrimaryKey<TableOf<S>>>>>,
  Private extends MemberName<TableOf<S>> = never,
  Own extends MemberName<TableOf<S>> = never,
>(
  source: S,
  options: EntityOptions<
    TableOf<S>,
    Private,
    Own,
    SourceInput<S, NoInfer<Own>>,
    R & StrictReplicas<R, keyof SourceDocument<S>>
  >,
): Entity<{
  source: SourceDocument<S>;
  input: SourceInput<S, Own>;
  replicas: { [N in keyof R]: ReplicaDocument<SourceDocument<S>, R[N], Private, Own | PrimaryKey<TableOf<S>>> };
}> {
  const { table, children }: Aggregate<PgTable, Children> = is(source, PgTable)
    ? { table: source, children: {} }
    : (source as Aggregate<PgTable, Children>);
  const { name, plural, replicas, private: hidden, rules, unique = [], ...others } = options;
  const { schemaVersion = 1, upcasters, version, createdAt, updatedAt, example, internal } = others;
  const own = { version, createdAt, updatedAt };
  const key = primaryKeyOf(table);
  const fields = fieldsOf(table, { where: `entity ${name}`, key, own, private: hidden, rules, casing: options.casing });
  const constraints = constraintsOf(table);
  const declared: EntityDeclaration = {
    name,
    plural: plural ?? getTableConfig(table).name,
    namespace: "",
    table: tableOf(table),
    fields,
    children,
    key,
    ...defined({ version, createdAt, updatedAt, upcasters, example, internal }),
    schemaVersion,
    unique: [...new Set([...uniqueMembers(constraints), ...unique])],
    constraints,
    references: Object.fromEntries(
      Object.entries<string | undefined>(options.references ?? {}).map(([member, entity]) => [
        member,
        { entity: entity! },
      ]),
    ),
    truncate: options.truncate ?? "refuse",
    replicas: [],
  };
  checkEntity(declared, hidden ?? []);
  const declaration = {
    ...declared,
    replicas: Object.entries<unknown>(replicas).map(([replica, kept]) =>
      defineReplica(declared, replica, kept as AnyReplicaOptions),
    ),
  };
  checkUpcasters(declaration);
  return declaration as never;
}

/** Checks the spelling of each replica's options, and of the members that it masks. */
type StrictReplicas<R, M> = {
  readonly [N in keyof R]: Only<R[N], keyof AnyReplicaOptions> &
    (R[N] extends { readonly mask: infer Masks } ? { readonly mask: Only<Masks, M> } : unknown);
};

/** Members that are unique alone. */
const uniqueMembers = (constraints: EntityDeclaration["constraints"]): string[] =>
  Object.values(constraints).flatMap(({ kind, members }) => (kind === "unique" && members.length === 1 ? members : []));

/** Leaves out what is undefined. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/**
 * Makes one document of a table's row and rows of other tables. It has one version, and replicas apply it as a whole.
 *
 * @param children by the member of the document that has them as a list.
 * @example defineEntity(aggregate(orders, { lines: child(orderLines, { parentKey: ["orderId"] }) }), { name: "order", … })
 */
export const aggregate = <T extends PgTable, C extends Children>(table: T, children: C): Aggregate<T, C> => ({
  table,
  children,
});

/**
 * Declares rows of another table that belong to an entity's document, as the lines of an order.
 *
 * @param options.parentKey members of the child that have the parent's key, in the order of that key.
 * @param options.key members that identify a child within its parent. Default: the rest of the child's primary key.
 * @throws {Error} when there is no such rest.
 * @example aggregate(orders, { lines: child(orderLines, { parentKey: ["orderId"] }) })
 */
export function child<T extends PgTable, const Private extends MemberName<T> = never>(
  table: T,
  options: {
    readonly parentKey: readonly MemberName<T>[];
    readonly key?: readonly MemberName<T>[];
    readonly private?: readonly Private[];
    readonly rules?: Rules<T>;
    readonly casing?: "snake_case";
  },
): Child<RowDocument<T>> {
  const where = `child table ${getTableConfig(table).name}`;
  const { parentKey } = options;
  const primary = primaryKeyOf(table);
  const key = options.key ?? primary.filter((member) => !parentKey.includes(member as MemberName<T>));
  if (key.length === 0)
    throw new Error(`${where}: its primary key has no member beside ${parentKey.join(", ")}; name a \`key\``);
  const fields = fieldsOf(table, {
    where,
    key: [...parentKey, ...key],
    own: {},
    readOnly: parentKey,
    private: options.private,
    rules: options.rules,
    casing: options.casing,
  });
  const declared: ChildDeclaration = { table: tableOf(table), fields, key, parentKey };
  return declared;
}
