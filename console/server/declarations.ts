/** What the declarations say, for a page that names no entity, field or replica by hand. Pure. */
import { z } from "zod";
import { entities } from "../../contracts/entities/index.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Field } from "../../contracts/entity/fields.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../../contracts/topics.ts";

export interface DeclaredField {
  readonly name: string;
  /** JSON Schema of its values. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly required: boolean;
  /** Value of a new entity that does not say. */
  readonly initial: unknown;
  /** No replica sees it. */
  readonly private: boolean;
  /** No two entities share a value. */
  readonly unique: boolean;
}

export interface DeclaredReplica {
  readonly name: string;
  readonly topic: string;
  readonly fields: readonly string[];
}

export interface DeclaredEntity {
  readonly name: string;
  readonly plural: string;
  readonly schemaVersion: number;
  readonly eventsTopic: string;
  readonly deadLetterTopic: string;
  readonly fields: readonly DeclaredField[];
  /** A document to begin with; null when the declaration gives none. */
  readonly example: Readonly<Record<string, unknown>> | null;
  readonly replicas: readonly DeclaredReplica[];
}

export const declaredEntities = (): DeclaredEntity[] => entities.map(declared);

function declared(entity: EntityDeclaration): DeclaredEntity {
  const { name, plural, schemaVersion, fields, example } = entity;
  return {
    name,
    plural,
    schemaVersion,
    eventsTopic: eventsTopic(entity).name,
    deadLetterTopic: deadLetterTopic(entity).name,
    fields: Object.entries(fields).map(([field, of]) => fieldOf(entity, field, of)),
    example: example ?? null,
    replicas: entity.replicas.map((replica) => ({
      name: replica.name,
      topic: replicaTopic(entity, replica.name).name,
      fields: Object.keys(replica.fields),
    })),
  };
}

function fieldOf({ unique }: EntityDeclaration, name: string, field: Field): DeclaredField {
  const { $schema: _, ...schema } = z.toJSONSchema(field.schema, { unrepresentable: "any", io: "input" }) as Record<
    string,
    unknown
  >;
  return {
    name,
    schema,
    required: !("initial" in field),
    initial: field.initial ?? null,
    private: field.private,
    unique: unique.includes(name),
  };
}
