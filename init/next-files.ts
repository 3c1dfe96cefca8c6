/** Reads what a project has, and finds the files that `lockstep generate` writes. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { UserError } from "../contracts/errors.ts";
import type { Project } from "../contracts/project.ts";
import { type Generated, type GenerateOptions, generate } from "../generate/generate.ts";
import { emptySnapshot, parseSnapshot, SNAPSHOT_FILE, snapshotText } from "../generate/snapshot.ts";
import { assignOffsets, PORTS_FILE, portsText, readOffsets } from "../stack/replica-ports.ts";
import { composeVariables, withComposeParts } from "./compose.ts";

/** What is to be written. */
export interface NextFiles extends Generated {
  /** Text by absolute path: new files, and those whose text changes. */
  readonly changed: ReadonlyMap<string, string>;
}

/** Its passwords are no secret of the repository: git ignores the file. */
const ENV_FILE = ".env";
const COMPOSE_FILE = "compose.yaml";

/** @throws {UserError} for a project without a folder of migrations, and as {@link generate}. */
export function nextFiles(project: Project, options: GenerateOptions): NextFiles {
  const { folder } = project.migrations;
  if (folder === undefined)
    throw new UserError(
      'the project names no folder for its migrations; add to defineProject: migrations: new URL("./migrations/", import.meta.url)',
    );
  const snapshotFile = join(folder, SNAPSHOT_FILE);
  const before = textOf(snapshotFile);
  const generated = generate(
    project,
    before === undefined ? emptySnapshot : parseSnapshot(before, snapshotFile),
    options,
  );
  const offsets = assignOffsets(project.replicaNames, readOffsets(project.folder));
  const compose = textOf(join(project.folder, COMPOSE_FILE));
  const wanted = new Map<string, string>([
    ...[...generated.files].map(([path, text]) => [join(folder, path), text] as const),
    [snapshotFile, snapshotText(generated.snapshot)],
    [join(project.folder, PORTS_FILE), portsText(offsets)],
  ]);
  const composed = compose === undefined ? undefined : withComposeParts(compose, { ...project, offsets });
  if (composed !== undefined) wanted.set(join(project.folder, COMPOSE_FILE), composed);
  return {
    ...generated,
    changed: new Map([...wanted].filter(([file, text]) => textOf(file) !== text)),
  };
}

const textOf = (file: string): string | undefined => (existsSync(file) ? readFileSync(file, "utf8") : undefined);

/** Writes the files. @returns their paths from the project's folder. */
export function writeFiles(project: Project, { changed }: NextFiles): string[] {
  for (const [file, text] of changed) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const paths = [...changed.keys()].map((file) => relative(project.folder, file));
  return addVariables(project) ? [...paths, ENV_FILE] : paths;
}

/** Gives new replicas a password, and new masks a key. @returns whether there were any. */
function addVariables(project: Project): boolean {
  const file = join(project.folder, ENV_FILE);
  const text = textOf(file);
  const isComposed = existsSync(join(project.folder, COMPOSE_FILE));
  if (text === undefined || !isComposed) return false;
  const missing = composeVariables(project).filter((name) => !new RegExp(`^${name}=`, "m").test(text));
  if (missing.length === 0) return false;
  const lines = missing.map((name) => `${name}=${randomBytes(18).toString("base64url")}\n`).join("");
  writeFileSync(file, `${text.endsWith("\n") || text === "" ? text : `${text}\n`}${lines}`);
  return true;
}
