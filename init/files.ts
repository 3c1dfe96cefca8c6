/** The files of a new project, made from the templates beside this file. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { portsText } from "../stack/replica-ports.ts";
import { composePart } from "./compose.ts";

const TEMPLATES = join(import.meta.dirname, "template");
/** Ends the name of a template that would be a file of its own kind here: a test, or a manifest. */
const SUFFIX = ".template";

/** Paths of all files, in the order in which they are listed. A template has the same path. */
const PATHS = [
  "lockstep.config.ts",
  "entities/task.ts",
  "migrations/source/0001-tasks.sql",
  "migrations/board/0001-tasks.sql",
  "migrations/snapshot.json",
  "tests/task.test.ts",
  "lockstep.ports.json",
  "compose.yaml",
  "package.json",
  "tsconfig.json",
  "README.md",
  ".env",
  ".gitignore",
] as const;

const isPlain = (path: string): boolean => /^(lockstep\.config\.ts|(entities|migrations)\/.*)$/.test(path);

/** What the templates do not know. */
export interface NewProject {
  /** Name of the package, and of the containers. */
  readonly name: string;
  /** What package.json says for `lockstep`: a version, or `file:` with a path. */
  readonly lockstep: string;
}

/** The replica of a new project, and its port. Its declaration hides nothing, so it needs no key of a mask. */
const composed = { entities: [], replicaNames: ["board"], offsets: { board: 1 } };

/** The files of a new project: their paths from its folder, and their content. Each has secrets of its own. */
export function projectFiles({ name, lockstep }: NewProject): ReadonlyMap<string, string> {
  const { devDependencies, optionalDependencies } = manifest;
  const values: Readonly<Record<string, () => string>> = {
    name: () => name,
    lockstep: () => lockstep,
    bun: () => optionalDependencies.bun,
    "bun-types": () => devDependencies["bun-types"],
    typescript: () => devDependencies.typescript,
    "compose-services": () => composePart("services", composed),
    "compose-volumes": () => composePart("volumes", composed),
    ports: () => portsText(composed.offsets),
    secret: () => randomBytes(18).toString("base64url"),
  };
  const content = (path: string) =>
    readFileSync(join(TEMPLATES, isPlain(path) ? path : `${path}${SUFFIX}`), "utf8").replace(
      /\{\{([\w-]+)\}\}/g,
      (text, key: string) => values[key]?.() ?? text,
    );
  return new Map(PATHS.map((path) => [path, content(path)]));
}

/** A package name from the name of a folder: `My shop` → `my-shop`. */
export const packageName = (folder: string): string =>
  folder
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "") || "my-lockstep";
