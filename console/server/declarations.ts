/** Describes the declared entities as JSON, so that the page's code names no entity, field or replica. Pure. */
import { z } from "zod";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Field } from "../../contracts/entity/field.ts";
import type { Project } from "../../contracts/project.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../../contracts/topics.ts";

interface DeclaredField {
  readonly name: string;
  /** JSON Schema of the values. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** True when a new entity must have a value. */
  readonly required: boolean;
  /** Value of a new entity that has none; null for a required field. */
  readonly initial: unknown;
  /** True when no replica gets the field. */
  readonly private: boolean;
  /** True when no two entities may have the same value. */
  readonly unique: boolean;
}

/** One entity declaration, as `GET /api/about` returns it. */
export interface DeclaredEntity {
  readonly name: string;
  /** Name in paths, tables and topics: `products`. */
  readonly plural: string;
  readonly schemaVersion: number;
  readonly eventsTopic: string;
  readonly deadLetterTopic: string;
  readonly fields: readonly DeclaredField[];
  /** Document that fills the form at first; null when the declaration has no example. */
  readonly example: Readonly<Record<string, unknown>> | null;
  /** Each replica with its topic, and the names of the fields that it keeps. */
  readonly replicas: readonly { readonly name: string; readonly topic: string; readonly fields: readonly string[] }[];
}

/** Describes the entities of a project, in the order of their declaration. */
export const describeEntities = ({ entities }: Pick<Project, "entities">): DeclaredEntity[] =>
  entities.map(describeEntity);

function describeEntity(entity: EntityDeclaration): DeclaredEntity {
  const { name, plural, schemaVersion, fields, example } = entity;
  return {
    name,
    plural,
    schemaVersion,
    eventsTopic: eventsTopic(entity).name,
    deadLetterTopic: deadLetterTopic(entity).name,
    fields: Object.entries(fields)
      .filter(([, { readOnly }]) => !readOnly)
      .map(([fieldName, field]) => describeField(entity, fieldName, field)),
    example: example ?? null,
    replicas: entity.replicas.map((replica) => ({
      name: replica.name,
      topic: replicaTopic(entity, replica.name).name,
      fields: Object.keys(replica.fields).filter((member) => !replica.fields[member]!.readOnly),
    })),
  };
}

function describeField({ unique }: EntityDeclaration, name: string, field: Field): DeclaredField {
  const options = { unrepresentable: "any", io: "input" } as const;
  const { $schema: _, ...schema } = z.toJSONSchema(field.schema, options) as Record<string, unknown>;
  return {
    name,
    schema,
    required: !("initial" in field || field.nullable || field.hasDatabaseDefault),
    initial: field.initial ?? null,
    private: field.private,
    unique: unique.includes(name),
  };
}
