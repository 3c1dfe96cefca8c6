/**
 * A project: what Lockstep keeps in step. Its file `lockstep.config.ts` default-exports {@link defineProject}. A
 * process loads the file once and passes the project on; no other code imports an entity.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { declareCanary } from "./canary.ts";
import type { EntityDeclaration } from "./entity/declaration.ts";

/** One migration file. */
export interface Migration {
  /** Name of the file without `.sql`: `0001-products`. A database runs each name once. */
  readonly name: string;
  readonly sql: string;
}

/** The migrations of a project's own tables. They run after Lockstep's migrations, in this order. */
export interface ProjectMigrations {
  /** Folder of the files. Missing: the project has none. */
  readonly folder?: string;
  readonly source: readonly Migration[];
  /** By replica. The names have the replica's name as their prefix: `catalog/0001-products`. */
  readonly replicas: Readonly<Record<string, readonly Migration[]>>;
}

/** The entities, replicas and names of one project. */
export interface Project {
  /** Prefix of topics, consumer groups, writer names and cache keys: `staging`. Empty: none. */
  readonly namespace: string;
  /** The entities that users see: routes, lists, verification and commands work on these. */
  readonly entities: readonly EntityDeclaration[];
  /** {@link entities} and the internal ones: every entity that relay, stream and replicas process. */
  readonly allEntities: readonly EntityDeclaration[];
  /** Names of all replicas, in the order of their declaration. */
  readonly replicaNames: readonly string[];
  readonly migrations: ProjectMigrations;
  /**
   * Folder of the project: the parent of its migrations, else of the file that was loaded. Relative paths of the
   * project start there.
   */
  readonly folder: string;
}

/** What needs to know only the project's namespace. An entity is one too. */
export type Namespaced = Pick<Project, "namespace">;

/** The argument of {@link defineProject}. */
export interface ProjectOptions {
  /**
   * Prefix of topics, consumer groups, writer names and cache keys: at most 40 lower-case letters, digits and hyphens.
   * Default: none.
   */
  readonly namespace?: string;
  /** The entities of the project, each made by `defineEntity`. */
  readonly entities: readonly EntityDeclaration[];
  /**
   * Folder with the migrations of the project's tables, `source/*.sql` and `<replica>/*.sql`. They run in the order of
   * their names. Default: no migrations.
   *
   * @example new URL("./migrations/", import.meta.url)
   */
  readonly migrations?: URL;
}

const NAMESPACE = /^([a-z][a-z0-9-]{0,39})?$/;

/**
 * Makes a project from its declarations, and reads its migrations.
 *
 * @throws {Error} for a namespace of another form, for two entities with one name or plural, and for a folder of
 * migrations that does not exist or that belongs to no replica.
 */
export function defineProject({ namespace = "", entities, migrations }: ProjectOptions): Project {
  if (!NAMESPACE.test(namespace))
    throw new Error(
      `namespace ${JSON.stringify(namespace)}: it begins with a letter, and has at most 40 lower-case letters, digits and hyphens`,
    );
  const own = entities.map((entity) => (entity.namespace === namespace ? entity : { ...entity, namespace }));
  const replicaNames = [...new Set(own.flatMap((entity) => entity.replicas.map(({ name }) => name)))];
  const allEntities = [...own, declareCanary(replicaNames, namespace)];
  for (const member of ["name", "plural"] as const) {
    const names = allEntities.map((entity) => entity[member]);
    const repeated = names.find((name, i) => names.indexOf(name) !== i);
    if (repeated !== undefined) throw new Error(`two entities have the ${member} ${repeated}; give each its own`);
  }
  return {
    namespace,
    entities: own,
    allEntities,
    replicaNames,
    migrations: migrations ? readMigrations(fileURLToPath(migrations), replicaNames) : { source: [], replicas: {} },
    folder: migrations ? dirname(fileURLToPath(migrations)) : "",
  };
}

/** Prefixes a name with the namespace: `staging.products.events`. */
export const qualify = ({ namespace }: Namespaced, name: string): string =>
  namespace === "" ? name : `${namespace}.${name}`;

const SOURCE = "source";

function readMigrations(folder: string, replicaNames: readonly string[]): ProjectMigrations {
  if (!existsSync(folder)) throw new Error(`the folder of migrations ${folder} does not exist`);
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders)
    if (name !== SOURCE && !replicaNames.includes(name))
      throw new Error(
        `the migrations in ${join(folder, name)} belong to no replica; the replicas are: ${replicaNames.join(", ")}`,
      );
  return {
    folder,
    source: readFolder(join(folder, SOURCE), ""),
    replicas: Object.fromEntries(replicaNames.map((name) => [name, readFolder(join(folder, name), `${name}/`)])),
  };
}

/** The `.sql` files of a folder in the order of their names; none when the folder does not exist. */
function readFolder(folder: string, prefix: string): Migration[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith(".sql"));
  return files.sort().map((file) => ({
    name: `${prefix}${file.slice(0, -".sql".length)}`,
    sql: readFileSync(join(folder, file), "utf8"),
  }));
}
