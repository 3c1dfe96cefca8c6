/** Reads and writes recordings: one JSON file for each schema version of each entity, in the project's folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";
import type { Project } from "../../contracts/project.ts";
import { type DeclarationSnapshot, snapshotOf } from "./declaration-snapshot.ts";
import { edgeDocuments } from "./edge-documents.ts";

/** A document as events of its version contain it, and each replica's projection; null: its filter did not match. */
export interface Sample {
  /** Name. `edge 1` and so on are generated; samples with other names are yours, and are kept. */
  readonly is: string;
  readonly document: Document;
  readonly replicas: Readonly<Record<string, Document | null>>;
}

/** Content of a recording. */
export interface Recording {
  readonly entity: string;
  readonly schemaVersion: number;
  /** True once a log may contain events of this version. It is then never recorded again. */
  readonly released: boolean;
  readonly declared: DeclarationSnapshot;
  readonly samples: readonly Sample[];
}

/** Folder of the recordings of a project. */
export const samplesFolder = ({ folder }: Pick<Project, "folder">): string => join(folder, "samples");

const nameOf = ({ entity, schemaVersion }: Pick<Recording, "entity" | "schemaVersion">): string =>
  `${entity}.v${schemaVersion}.json`;

/** Reads an entity's recordings by schema version; none when there is no folder. @throws {Error} when a file's name and content disagree. */
export function readRecordings(entity: string, folder: string): Map<number, Recording> {
  const found = new Map<number, Recording>();
  if (!existsSync(folder)) return found;
  for (const file of readdirSync(folder)) {
    if (!file.startsWith(`${entity}.v`) || !file.endsWith(".json")) continue;
    const recorded = JSON.parse(readFileSync(join(folder, file), "utf8")) as Recording;
    if (nameOf(recorded) !== file)
      throw new Error(`${file} contains the recording ${nameOf(recorded)}; rename the file`);
    found.set(recorded.schemaVersion, recorded);
  }
  return found;
}

/** Writes a recording. @returns the path of its file. */
export function writeRecording(recorded: Recording, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, nameOf(recorded));
  writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`);
  return file;
}

/** Creates the recording of the current version. Keeps the samples that were added to `before` by hand. */
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

/** Returns the document that each replica is sent today; null where its filter does not match. */
export function projectionsOf(entity: EntityDeclaration, document: Document): Record<string, Document | null> {
  return Object.fromEntries(
    entity.replicas.map((replica) => [replica.name, replica.filter(document) ? replica.project(document) : null]),
  );
}
