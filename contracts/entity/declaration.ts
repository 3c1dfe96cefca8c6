/**
 * The declaration of an entity as all rooms use it. HTTP validation, event validation, routing, table columns and cache
 * lifetimes follow from it. No other code names a field of an entity. {@link defineEntity} makes it.
 */
import type { Document, EntityId, Version } from "./document.ts";
import type { Fields } from "./field.ts";
import type { Mask } from "./mask.ts";
import type { Table } from "./table.ts";

/**
 * Converts a document of one schema version to the next version. Pure: the same document always has the same result. It
 * keeps the members of the key and those that Lockstep sets, and uses no value from outside the document.
 */
export type Upcaster = (document: Document) => Document;

/** Upcasters by the schema version that they read: 1 converts version 1 to version 2. */
export type Upcasters = Readonly<Record<number, Upcaster>>;

/** The members of a document: fields in its own row, and lists of rows in other tables. */
export interface Shape {
  readonly fields: Fields;
  readonly children: Readonly<Record<string, ChildDeclaration>>;
}

/** Rows of another table that belong to an entity's document, as the lines to an order. */
export interface ChildDeclaration {
  readonly table: Table;
  /** All members of a child, those of the parent's key included. */
  readonly fields: Fields;
  /** Members that identify a child within its parent. Children are in the order of these. */
  readonly key: readonly string[];
  /** Members of a child that have the parent's key, in the order of that key. */
  readonly parentKey: readonly string[];
}

/** A shape with the members that Lockstep needs. */
export interface DocumentShape extends Shape {
  /** Members of the primary key, in its order. */
  readonly key: readonly string[];
  /** Member that has the version. Missing: versions live beside the table, in Lockstep's own. */
  readonly version?: string;
  /** Member that Lockstep sets to the time of the insert. Missing: the table's owner keeps its times. */
  readonly createdAt?: string;
  /** Member that Lockstep sets to the time of each write. */
  readonly updatedAt?: string;
}

/** A committed change, as a replica's `onApplied` gets it. */
export interface AppliedChange<D extends object = Document> {
  /** Name of the entity: `product`. */
  readonly entity: string;
  /** Canonical text of the key, as in URLs. */
  readonly id: EntityId;
  /** Version of the state that was applied. It only grows. */
  readonly version: Version;
  /** The replica's document. Null: the replica has deleted the entity. */
  readonly document: D | null;
}

/**
 * What a replica keeps of an entity. Its functions depend on the document alone, so that a replay has the same result.
 */
export interface ReplicaDeclaration extends DocumentShape {
  readonly name: string;
  /** The table in the replica's database. */
  readonly table: Table;
  /** The replica keeps the entities for which this is true. An entity that stops matching is deleted there (P5). */
  readonly filter: (document: Document) => boolean;
  /** Names of the members that have the source's value: all but the derived and the masked ones. */
  readonly unchanged: readonly string[];
  /** Masks by member. */
  readonly masks: Readonly<Record<string, Mask<unknown>>>;
  /**
   * Makes the replica's document from the source's document.
   *
   * @param into object that receives the members; default: a new object.
   */
  readonly project: (document: Document, into?: Document) => Document;
  /** Called after the commit of a change, at least once. */
  readonly onApplied?: (change: AppliedChange) => unknown;
  /** Time until a cached document expires and is read from PostgreSQL again, in seconds. */
  readonly cacheTtlSeconds: number;
  /**
   * Upcasters of projected documents: those in the replica's topic, and those that a rebuild reads. A version needs one
   * here when the entity's upcaster reads a member that the projection does not have.
   */
  readonly upcasters?: Upcasters;
  /**
   * By schema version: members that a projection of that version lacks and no upcaster can compute. The upcaster sets a
   * harmless value until the entities are sent again (docs/schema-changes.md).
   */
  readonly placeholders?: Readonly<Record<number, readonly string[]>>;
}

/** A constraint of an entity's table, to explain a violation by the members. */
export interface ConstraintDeclaration {
  readonly kind: "unique" | "reference";
  readonly members: readonly string[];
}

/** An entity: a kind of row whose state Lockstep copies to its replicas. */
export interface EntityDeclaration extends DocumentShape {
  /** Singular, as in event types: `product`. */
  readonly name: string;
  /** Plural: name of the HTTP collection, and prefix of the topics: `products`. */
  readonly plural: string;
  /** Namespace of the entity's project (`contracts/project.ts`). It prefixes the names of the topics. Empty: none. */
  readonly namespace: string;
  /** The table in the source. */
  readonly table: Table;
  /**
   * True for an entity of Lockstep itself (the canary). Relay, stream and replicas process it; HTTP routes, lists,
   * commands, dead-letter counts and the metrics of user entities leave it out. Default: false.
   */
  readonly internal?: boolean;
  /**
   * Version of the document's shape, sent with each event. Raise it with each change of the fields or of a projection.
   */
  readonly schemaVersion: number;
  /** One per version below `schemaVersion`. They convert retained events and events in flight. */
  readonly upcasters?: Upcasters;
  /** Members whose values are unique in the source. */
  readonly unique: readonly string[];
  /** By name of the constraint. */
  readonly constraints: Readonly<Record<string, ConstraintDeclaration>>;
  /**
   * Entities that members refer to. A foreign key of the table checks it, and the gateway answers a violation with the
   * member. Without a foreign key nothing checks it.
   */
  readonly references: Readonly<Record<string, { readonly entity: string }>>;
  /** What TRUNCATE does in the source: it fails, or it deletes each entity. */
  readonly truncate: "refuse" | "delete";
  readonly replicas: readonly ReplicaDeclaration[];
  /**
   * A request body that creates an entity, for documentation and trials. Unique texts get a suffix (`exampleInput`).
   */
  readonly example?: Document;
}

/**
 * Members that a document has for Lockstep: those of the key, and those that Lockstep sets. Each replica keeps them.
 */
export const ownMembers = ({ key, version, createdAt, updatedAt }: DocumentShape): string[] => [
  ...new Set([...key, ...[version, createdAt, updatedAt].filter((member) => member !== undefined)]),
];

/** Names of all columns of a row, those of children left out. */
export const columnsOf = ({ fields }: Pick<Shape, "fields">): string[] =>
  Object.values(fields).map(({ column }) => column);
