/** The recorded samples: one file for each schema version of each entity, beside the declarations. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";
import { type DeclarationSnapshot, snapshotOf } from "./declaration-snapshot.ts";
import { edgeDocuments } from "./edge-documents.ts";

/** A document as it stood in events of its version, and what each replica was sent for it; null: it was not the replica's to have. */
export interface Sample {
  /** `edge 1` is made by the recorder; samples with any other text are yours, and kept. */
  readonly is: string;
  readonly document: Document;
  readonly replicas: Readonly<Record<string, Document | null>>;
}

export interface Recording {
  readonly entity: string;
  readonly schemaVersion: number;
  /** True once events of this version may be in somebody's log: then it is never recorded again. */
  readonly released: boolean;
  readonly declared: DeclarationSnapshot;
  readonly samples: readonly Sample[];
}

export const samplesFolder = join(import.meta.dirname, "../../contracts/entities/samples");

const nameOf = ({ entity, schemaVersion }: Pick<Recording, "entity" | "schemaVersion">): string =>
  `${entity}.v${schemaVersion}.json`;

/** By schema version. @throws {Error} when a file says another entity or version than its name. */
export function readRecordings(entity: string, folder = samplesFolder): Map<number, Recording> {
  const found = new Map<number, Recording>();
  for (const file of readdirSync(folder)) {
    if (!file.startsWith(`${entity}.v`) || !file.endsWith(".json")) continue;
    const recorded = JSON.parse(readFileSync(join(folder, file), "utf8")) as Recording;
    if (nameOf(recorded) !== file) throw new Error(`${file} holds ${nameOf(recorded)}`);
    found.set(recorded.schemaVersion, recorded);
  }
  return found;
}

export function writeRecording(recorded: Recording, folder = samplesFolder): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, nameOf(recorded));
  writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`);
  return file;
}

/** What is to be recorded of the current version; samples that somebody added to `before` by hand stay. */
export function createRecording(entity: EntityDeclaration, before?: Recording): Recording {
  const added = before?.samples.filter(({ is }) => !isEdge(is)) ?? [];
  const documents: [string, Document][] = [
    ...edgeDocuments(entity).map((document, i): [string, Document] => [`edge ${i + 1}`, document]),
    ...added.map(({ is, document }): [string, Document] => [is, document]),
  ];
  const schema = documentSchema(entity);
  return {
    entity: entity.name,
    schemaVersion: entity.schemaVersion,
    released: false,
    declared: snapshotOf(entity),
    samples: documents.map(([is, document]) => ({
      is,
      document: schema.parse(document) as Document,
      replicas: projectionsOf(entity, document),
    })),
  };
}

const isEdge = (is: string): boolean => /^edge \d+$/.test(is);

/** What each replica is sent for a document today. */
export function projectionsOf(entity: EntityDeclaration, document: Document): Record<string, Document | null> {
  const { id, createdAt, updatedAt, version } = document;
  return Object.fromEntries(
    entity.replicas.map((replica) => [
      replica.name,
      replica.filter(document) ? { id, ...replica.project(document), createdAt, updatedAt, version } : null,
    ]),
  );
}
