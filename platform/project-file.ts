/** Loads the project's file, `lockstep.config.ts`. */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { setMaskKeys } from "../contracts/entity/mask-keys.ts";
import { UserError } from "../contracts/errors.ts";
import type { Project } from "../contracts/project.ts";

/** Name of a project's file in the working directory. */
export const PROJECT_FILE = "lockstep.config.ts";

/** The project's file cannot be loaded. The message says why, and what to do. */
export class ProjectFileError extends UserError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, "PROJECT_FILE_INVALID", options);
  }
}

/**
 * Path of the project's file: `--config`, else LOCKSTEP_CONFIG, else {@link PROJECT_FILE} of the working directory.
 *
 * @param option value of `--config`; undefined when it is not given.
 */
export const projectFileOf = (
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string => resolve(option || env.LOCKSTEP_CONFIG || PROJECT_FILE);

/**
 * Loads a project. The standalone executable loads it the same way, from a file of the machine that it runs on.
 *
 * @param option value of `--config`, see {@link projectFileOf}.
 * @throws {ProjectFileError} when the file does not exist, does not load, or exports no project.
 */
export async function loadProject(option?: string): Promise<Project> {
  const file = projectFileOf(option);
  if (!existsSync(file))
    throw new ProjectFileError(
      `${file} does not exist; run the command in the folder of your ${PROJECT_FILE}, or name the file with --config or LOCKSTEP_CONFIG`,
    );
  provided ??= provideDeclarations();
  await provided;
  const module = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw new ProjectFileError(`${file} does not load: ${reasonOf(error)}; correct it, then run the command again`, {
      cause: error,
    });
  });
  const { default: project } = module as { readonly default?: unknown };
  if (project === undefined)
    throw new ProjectFileError(`${file} has no default export; write: export default defineProject({ entities: [] })`);
  if (!isProject(project))
    throw new ProjectFileError(
      `the default export of ${file} is not a project; write: export default defineProject(…)`,
    );
  setMaskKeys(project.allEntities, (setting) => process.env[setting]);
  return { ...project, folder: project.folder || dirname(file) };
}

/** The file may use another copy of this module than the process, so a class would not do. */
const isProject = (value: unknown): value is Project =>
  typeof value === "object" &&
  value !== null &&
  ["entities", "allEntities", "replicaNames"].every((member) => Array.isArray((value as never)[member])) &&
  ["namespace", "migrations"].every((member) => member in value);

/** Bun reports several mistakes of one file as an AggregateError, whose message alone says little. */
const reasonOf = (error: unknown): string =>
  error instanceof AggregateError
    ? error.errors.map(reasonOf).join("; ")
    : error instanceof Error
      ? error.message
      : String(error);

let provided: Promise<void> | undefined;

/**
 * Makes `import … from "lockstep"` mean this program's own declarations. So a project's file needs no installed package
 * beside the standalone executable, and the process has each module once.
 */
async function provideDeclarations(): Promise<void> {
  // Loaded before the plugin is there: it would answer these imports too, and so without end.
  const modules = {
    lockstep: await import("../contracts/index.ts"),
    // A project may declare columns with Drizzle's own modules: often it has its tables already.
    "drizzle-orm": await import("drizzle-orm"),
    "drizzle-orm/pg-core": await import("drizzle-orm/pg-core"),
  };
  Bun.plugin({
    name: "lockstep",
    setup: (build) => {
      for (const [name, exports] of Object.entries(modules))
        build.module(name, () => ({ exports: exports as Record<string, unknown>, loader: "object" }));
    },
  });
}
