/**
 * One declaration per entity. HTTP validation, event validation, routing, table columns and cache lifetimes all follow
 * from it; nothing else in Lockstep names a field of an entity.
 */
import type { Document } from "./document.ts";
import { type Field, systemFields } from "./fields.ts";

/**
 * Makes a document of the next schema version out of one of the version before. Pure: the same document always gives the same
 * result, with the same id, version and times, and from values that the document has itself.
 */
export type Upcaster = (document: Document) => Document;

/** By the schema version that is read: 1 makes version 2. */
export type Upcasters = Readonly<Record<number, Upcaster>>;

/** What a replica keeps of an entity. Every decision is a function of the document alone, so that a replay decides the same. */
export interface ReplicaDeclaration {
  readonly name: string;
  /** Only entities for which this holds are in the replica; one that stops matching is removed there (P5). */
  readonly filter: (document: Document) => boolean;
  /** Fields of the replica's documents and columns, by name. */
  readonly fields: Readonly<Record<string, Field>>;
  /** The replica's document for the source's one, without the members that every document has; put into `into` if it is given. */
  readonly project: (document: Document, into?: Document) => Document;
  /** How long a cached document lives without being read from PostgreSQL again, in seconds. */
  readonly cacheTtlSeconds: number;
  /**
   * Upcasters of what the replica was sent, for versions at which the entity's own cannot do: a projection lacks members. What is on
   * its way to the replica, and what a rebuild reads, was projected by an earlier version.
   */
  readonly upcasters?: Upcasters;
  /**
   * By schema version: members that were not in that version's projection and cannot be had from it, so that an upcaster can only put
   * something harmless in their place until the entities are sent again (docs/schema-changes.md).
   */
  readonly placeholders?: Readonly<Record<number, readonly string[]>>;
}

export interface EntityDeclaration {
  /** Singular, as in event types: `product`. */
  readonly name: string;
  /** Plural: the table, the HTTP collection and the prefix of the topics: `products`. */
  readonly plural: string;
  /**
   * True for an entity of Lockstep itself (the canary). Relay, stream and replicas process it; HTTP routes, lists,
   * commands, dead-letter counts and the metrics of user entities leave it out. Default: false.
   */
  readonly internal?: boolean;
  /** Version of the document's shape, sent with each event; raised with each change of `fields` or of what a replica has. */
  readonly schemaVersion: number;
  /** One for each version below `schemaVersion`: retained events and events under way are read through them. */
  readonly upcasters?: Upcasters;
  readonly fields: Readonly<Record<string, Field>>;
  /** Fields whose value no two entities of the source may share. */
  readonly unique: readonly string[];
  readonly replicas: readonly ReplicaDeclaration[];
  /** A document that a person may begin with, as a client would send it; where no two may share a value, another one is put there. */
  readonly example?: Document;
}

/** Declares an entity. @throws {Error} when the declaration contradicts itself; the process then never starts. */
export function defineEntity(declaration: EntityDeclaration): EntityDeclaration {
  const { name, fields, replicas, unique } = declaration;
  for (const key of Object.keys(fields)) {
    if (key in systemFields)
      throw new Error(`entity ${name}: ${key} is a member of every document; name the field otherwise`);
    if (!/^[a-z][A-Za-z0-9]*$/.test(key)) throw new Error(`entity ${name}: field ${key} must be camelCase`);
  }
  for (const key of unique)
    if (!(key in fields)) throw new Error(`entity ${name}: unique field ${key} is not declared`);
  const names = replicas.map((r) => r.name);
  if (new Set(names).size !== names.length) throw new Error(`entity ${name}: two replicas share a name`);
  checkUpcasters(declaration);
  return declaration;
}

function checkUpcasters({ name, schemaVersion, upcasters = {}, replicas }: EntityDeclaration): void {
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1)
    throw new Error(`entity ${name}: schemaVersion must be a whole number from 1`);
  for (let version = 1; version < schemaVersion; version++)
    if (!upcasters[version])
      throw new Error(
        `entity ${name}: no upcaster reads schema version ${version}; events of it are still in the log (docs/schema-changes.md)`,
      );
  const given = [upcasters, ...replicas.flatMap((r) => [r.upcasters ?? {}, r.placeholders ?? {}])].flatMap(Object.keys);
  for (const version of given)
    if (!(Number(version) >= 1 && Number(version) < schemaVersion))
      throw new Error(`entity ${name}: there is nothing to upcast from version ${version} to ${schemaVersion}`);
}

/**
 * Declares what one replica keeps: by default all fields that are not private.
 *
 * @param options.only names the fields to keep (a private one must be named here to be sent);
 * @param options.without leaves out some of the default; @param options.derived adds fields computed from the document.
 * @param options.upcasters @param options.placeholders as {@link ReplicaDeclaration} has them.
 */
export function defineReplica(
  fields: EntityDeclaration["fields"],
  options: {
    name: string;
    filter?: (document: Document) => boolean;
    only?: readonly string[];
    without?: readonly string[];
    derived?: Readonly<Record<string, { field: Field; from: (document: Document) => unknown }>>;
    cacheTtlSeconds?: number;
    upcasters?: Upcasters;
    placeholders?: Readonly<Record<number, readonly string[]>>;
  },
): ReplicaDeclaration {
  const open = Object.keys(fields).filter((key) => !fields[key]!.private);
  const kept = (options.only ?? open).filter((key) => !options.without?.includes(key));
  for (const key of [...kept, ...(options.without ?? [])])
    if (!(key in fields)) throw new Error(`replica ${options.name}: field ${key} is not declared`);
  const derived = Object.entries(options.derived ?? {});
  return {
    name: options.name,
    filter: options.filter ?? (() => true),
    fields: Object.fromEntries([...kept.map((k) => [k, fields[k]!]), ...derived.map(([k, d]) => [k, d.field])]),
    project: (document, projected = {}) => {
      for (const member of kept) projected[member] = document[member];
      for (const [member, { from }] of derived) projected[member] = from(document);
      return projected;
    },
    cacheTtlSeconds: options.cacheTtlSeconds ?? 3600,
    ...(options.upcasters ? { upcasters: options.upcasters } : {}),
    ...(options.placeholders ? { placeholders: options.placeholders } : {}),
  };
}
