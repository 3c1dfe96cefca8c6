/** What a declaration of an entity says, and the types that follow from it. */
import type { PgTable } from "drizzle-orm/pg-core";
import type { AppliedChange, ChildDeclaration, EntityDeclaration, Upcasters } from "./declaration.ts";
import type { DerivedField } from "./derive.ts";
import type { Flat, InputDocument, MemberName, RowDocument, Rules } from "./infer.ts";
import type { Mask } from "./mask.ts";
import type { Table } from "./table.ts";

/** Where the compiler finds the types of a declaration's documents. Nothing is there at run time. */
declare const documents: unique symbol;

/** A declaration with the types of its documents. */
export type Entity<Documents> = EntityDeclaration & { readonly [documents]?: Documents };

/** A child's declaration with the type of its document. */
export type Child<Document> = ChildDeclaration & { readonly [documents]?: Document };

/** The types that {@link Entity} carries. */
interface AnyDocuments {
  readonly source: object;
  readonly input: object;
  readonly replicas: object;
}

/** Names of an entity's replicas. */
type ReplicaName<E> = E extends Entity<infer D extends AnyDocuments> ? keyof D["replicas"] & string : never;

/**
 * The type of an entity's document: in the source, or in a replica.
 *
 * @example type Product = Infer<typeof product>; type InStorefront = Infer<typeof product, "storefront">;
 */
export type Infer<E, Replica extends ReplicaName<E> = never> =
  E extends Entity<infer D extends AnyDocuments>
    ? [Replica] extends [never]
      ? D["source"]
      : D["replicas"][Replica & keyof D["replicas"]]
    : E extends Child<infer D>
      ? D
      : never;

/** The type of a request that creates an entity. */
export type InferInput<E> = E extends Entity<infer D extends AnyDocuments> ? D["input"] : never;

/** Children by member. */
export type Children = Readonly<Record<string, Child<object>>>;

/** A table whose rows are one document with rows of other tables. {@link aggregate} makes it. */
export interface Aggregate<T extends PgTable, C extends Children> {
  readonly table: T;
  readonly children: C;
}

/** What an entity is declared from. */
export type EntitySource = PgTable | Aggregate<PgTable, Children>;

/** The table of an entity, and its children. */
export type TableOf<S> = S extends PgTable ? S : S extends Aggregate<infer T, Children> ? T : never;
export type ChildrenOf<S> = S extends PgTable
  ? Record<never, never>
  : S extends Aggregate<PgTable, infer C>
    ? C
    : never;

type ChildRows<S> = {
  readonly [M in keyof ChildrenOf<S>]: readonly (ChildrenOf<S>[M] extends Child<infer D> ? D : never)[];
};

/** The document of an entity. */
export type SourceDocument<S> = Flat<RowDocument<TableOf<S>> & ChildRows<S>>;

/** A request that creates an entity. @typeParam Own the members that Lockstep sets. */
export type SourceInput<S, Own extends string> = Flat<
  InputDocument<TableOf<S>, Own> & {
    readonly [M in keyof ChildRows<S>]?: readonly Partial<ChildRows<S>[M][number]>[];
  }
>;

/** A mask of a member: one of `mask`, or a function of the value. It is not called for null. */
type MaskOption<Document, Value> = Mask<unknown> | ((value: NonNullable<Value>, document: Document) => Value);

/**
 * What a replica keeps.
 *
 * @typeParam Own members that each replica has: the key of one column, the version and the times that Lockstep sets.
 */
export interface ReplicaOptions<Document, Own extends string> {
  /** The replica keeps the entities for which this is true. Default: all. */
  readonly where?: (document: Document) => boolean;
  /**
   * Names all members to keep. A private one is sent only when it is named here or masked. Default: all others. A key
   * of one column, the version and the times of Lockstep are always kept; a key of more columns must be named.
   */
  readonly pick?: readonly Exclude<keyof Document & string, Own>[];
  /** Names members to leave out. */
  readonly omit?: readonly Exclude<keyof Document & string, Own>[];
  /** Adds members that are computed from the source's document. */
  readonly derive?: Readonly<Record<string, DerivedField<Document, unknown>>>;
  /** Replaces values. */
  readonly mask?: { readonly [M in Exclude<keyof Document & string, Own>]?: MaskOption<Document, Document[M]> };
  /** Members of children to keep, by child. */
  readonly children?: Readonly<
    Record<string, { readonly pick?: readonly string[]; readonly omit?: readonly string[] }>
  >;
  /** The table in the replica's database. Default: the source's name, without its schema. */
  readonly table?: Table;
  /** Called after the commit of a change, at least once. The document is the replica's. */
  readonly onApplied?: (change: AppliedChange<Partial<Document>>) => unknown;
  /** Time until a cached document expires and is read from PostgreSQL again, in seconds. Default: 3600. */
  readonly cacheTtlSeconds?: number;
  /** Upcasters of projected documents (docs/schema-changes.md). */
  readonly upcasters?: Upcasters;
  /** By schema version: members that a projection of that version lacks and no upcaster can compute. */
  readonly placeholders?: Readonly<Record<number, readonly string[]>>;
}

type Names<List> = List extends readonly (infer Name)[] ? Name : never;
type KeysOf<O, Member extends string> = O extends { readonly [M in Member]: infer Value } ? keyof Value : never;

/** Members of the source's document that a replica has. */
type Kept<Document, O, Private, Own> =
  | Own
  | (O extends { readonly pick: infer Pick } ? Names<Pick> : Exclude<keyof Document, Private>)
  | KeysOf<O, "mask">;

type MaskedValue<O, M, Value> = O extends { readonly mask: infer Masks }
  ? M extends keyof Masks
    ? Masks[M] extends Mask<infer Result>
      ? Result | Extract<Value, null>
      : Value
    : Value
  : Value;

/** Members that a mask removes. */
type MaskedAway<O> = O extends { readonly mask: infer Masks }
  ? {
      [M in keyof Masks]: Masks[M] extends Mask<infer Result> ? ([Result] extends [never] ? M : never) : never;
    }[keyof Masks]
  : never;

/** The type of a replica's document. */
export type ReplicaDocument<Document, O, Private, Own> = Flat<
  {
    readonly [M in Exclude<
      Kept<Document, O, Private, Own> & keyof Document,
      (O extends { readonly omit: infer Omit } ? Names<Omit> : never) | MaskedAway<O> | KeysOf<O, "derive">
    >]: MaskedValue<O, M, Document[M]>;
  } & (O extends { readonly derive: infer Derived }
    ? { readonly [M in keyof Derived]: Derived[M] extends DerivedField<never, infer Value> ? Value : never }
    : unknown)
>;

/** Rejects members that `Names` does not have: a misspelt option would otherwise go unnoticed. */
export type Only<T, Names> = { readonly [K in Exclude<keyof T, Names>]: never };

/** Options of {@link defineEntity}. */
export interface EntityOptions<T extends PgTable, Private extends MemberName<T>, Own extends MemberName<T>, Input, R> {
  /** Singular, as in event types: `product`. */
  readonly name: string;
  /** Name of the HTTP collection, and prefix of the topics. Default: the table's name. */
  readonly plural?: string;
  /** Version of the document's shape. Raise it with each change of the fields or of a projection. Default: 1. */
  readonly schemaVersion?: number;
  /** One per version below `schemaVersion`. */
  readonly upcasters?: Upcasters;
  /** Column with the version, which Lockstep sets. Default: versions live beside the table. */
  readonly version?: Own;
  /** Column with the time of the insert, which Lockstep sets. Default: the table's owner keeps its times. */
  readonly createdAt?: Own;
  /** Column with the time of the newest write, which Lockstep sets. */
  readonly updatedAt?: Own;
  /** Members that a replica gets only when it names them. */
  readonly private?: readonly Private[];
  /** Rules that values have beside those of the column's type. */
  readonly rules?: Rules<T>;
  /** Members with unique values, beside the columns that the table declares with `unique()`. */
  readonly unique?: readonly MemberName<T>[];
  /**
   * Entities that members refer to, by member. A foreign key of the table checks it: the gateway answers a missing
   * parent with the member, and the delete of a parent that is referred to with this entity. Without a foreign key
   * nothing checks it.
   */
  readonly references?: { readonly [M in MemberName<T>]?: string };
  /** What TRUNCATE does in the source: it fails, or it deletes each entity. Default: `refuse`. */
  readonly truncate?: "refuse" | "delete";
  /** A request that creates an entity, for documentation and trials. */
  readonly example?: Input;
  /** snake_case: a column without a name of its own is named after its member: `createdAt` → `created_at`. */
  readonly casing?: "snake_case";
  /** True for an entity of Lockstep itself. */
  readonly internal?: boolean;
  /** What each replica keeps, by name. */
  readonly replicas: R;
}
