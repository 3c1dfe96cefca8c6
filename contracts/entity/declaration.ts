/**
 * The declaration of an entity. HTTP validation, event validation, routing, table columns and cache lifetimes follow
 * from it. No other code names a field of an entity.
 */
import type { Document } from "./document.ts";
import { type Field, systemFields } from "./fields.ts";

/**
 * Converts a document of one schema version to the next version. Pure: the same document always has the same result. It
 * keeps id, version and times, and uses no value from outside the document.
 */
export type Upcaster = (document: Document) => Document;

/** Upcasters by the schema version that they read: 1 converts version 1 to version 2. */
export type Upcasters = Readonly<Record<number, Upcaster>>;

/**
 * What a replica keeps of an entity. Its functions depend on the document alone, so that a replay has the same result.
 */
export interface ReplicaDeclaration {
  readonly name: string;
  /** The replica keeps the entities for which this is true. An entity that stops matching is deleted there (P5). */
  readonly filter: (document: Document) => boolean;
  /** Fields of the replica's documents and columns, by name. */
  readonly fields: Readonly<Record<string, Field>>;
  /** Names of the fields that have the source's value: all but the derived ones. */
  readonly unchanged: readonly string[];
  /**
   * Makes the replica's document from the source's document, without the system fields.
   *
   * @param into object that receives the members; default: a new object.
   */
  readonly project: (document: Document, into?: Document) => Document;
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

/** An entity: a kind of row whose state Lockstep copies to its replicas. */
export interface EntityDeclaration {
  /** Singular, as in event types: `product`. */
  readonly name: string;
  /** Plural: name of the table and of the HTTP collection, and prefix of the topics: `products`. */
  readonly plural: string;
  /** Namespace of the entity's project (`contracts/project.ts`). It prefixes the names of the topics. Empty: none. */
  readonly namespace: string;
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
  readonly fields: Readonly<Record<string, Field>>;
  /** Fields whose values are unique in the source. */
  readonly unique: readonly string[];
  readonly replicas: readonly ReplicaDeclaration[];
  /**
   * A request body that creates an entity, for documentation and trials. Unique texts get a suffix (`exampleInput`).
   */
  readonly example?: Document;
}

/**
 * Checks the declaration of an entity and returns it. Its namespace is empty until `defineProject` sets it.
 *
 * @throws {Error} for a contradiction in the declaration. The process then does not start.
 */
export function defineEntity(options: Omit<EntityDeclaration, "namespace">): EntityDeclaration {
  const declaration = { ...options, namespace: "" };
  const { name, fields, replicas, unique } = declaration;
  for (const key of Object.keys(fields)) {
    if (key in systemFields)
      throw new Error(`entity ${name}: field ${key} has the name of a system field; choose another name`);
    if (!/^[a-z][A-Za-z0-9]*$/.test(key)) throw new Error(`entity ${name}: field ${key} must be camelCase`);
  }
  for (const key of unique)
    if (!(key in fields)) throw new Error(`entity ${name}: unique field ${key} is not declared`);
  const names = replicas.map((r) => r.name);
  if (new Set(names).size !== names.length) throw new Error(`entity ${name}: two replicas have the same name`);
  checkUpcasters(declaration);
  return declaration;
}

function checkUpcasters({ name, schemaVersion, upcasters = {}, replicas }: EntityDeclaration): void {
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1)
    throw new Error(`entity ${name}: schemaVersion ${schemaVersion} must be a whole number of at least 1`);
  for (let version = 1; version < schemaVersion; version++)
    if (!upcasters[version])
      throw new Error(
        `entity ${name}: schema version ${version} has no upcaster; the log has its events (docs/schema-changes.md)`,
      );
  const versions = [upcasters, ...replicas.flatMap((r) => [r.upcasters ?? {}, r.placeholders ?? {}])].flatMap(
    Object.keys,
  );
  for (const version of versions)
    if (!(Number(version) >= 1 && Number(version) < schemaVersion))
      throw new Error(
        `entity ${name}: an upcaster or placeholder names schema version ${version}, ` +
          `but only versions below ${schemaVersion} need one`,
      );
}

/**
 * Declares a replica. By default it keeps all entities, and all fields that are not private.
 *
 * @param options.only names the fields to keep. A private field is sent only when it is named here.
 * @param options.without removes fields from the default.
 * @param options.derived adds fields that are computed from the source's document.
 * @param options.cacheTtlSeconds default: 3600.
 * @param options.upcasters see {@link ReplicaDeclaration.upcasters}.
 * @param options.placeholders see {@link ReplicaDeclaration.placeholders}.
 * @throws {Error} when `only` or `without` names an undeclared field.
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
  const publicFields = Object.keys(fields).filter((key) => !fields[key]!.private);
  const members = (options.only ?? publicFields).filter((key) => !options.without?.includes(key));
  for (const key of [...members, ...(options.without ?? [])])
    if (!(key in fields)) throw new Error(`replica ${options.name}: field ${key} is not declared`);
  const derived = Object.entries(options.derived ?? {});
  return {
    name: options.name,
    filter: options.filter ?? (() => true),
    fields: Object.fromEntries([...members.map((k) => [k, fields[k]!]), ...derived.map(([k, d]) => [k, d.field])]),
    unchanged: members.filter((member) => !(member in (options.derived ?? {}))),
    project: (document, projected = {}) => {
      for (const member of members) projected[member] = document[member];
      for (const [member, { from }] of derived) projected[member] = from(document);
      return projected;
    },
    cacheTtlSeconds: options.cacheTtlSeconds ?? 3600,
    ...(options.upcasters ? { upcasters: options.upcasters } : {}),
    ...(options.placeholders ? { placeholders: options.placeholders } : {}),
  };
}
