/** First half of an adoption: reads the source, decides, and writes the files. Changes nothing in a database. */

import { UserError } from "../../contracts/errors.ts";
import type { Migration, Project } from "../../contracts/project.ts";
import { connectDedicated } from "../../platform/postgres/connect.ts";
import { captureOptions } from "./capture-migration.ts";
import { type Catalog, type Relation, readCatalog } from "./catalog.ts";
import { type AdoptionPlan, type AdoptionRequest, planAdoption } from "./plan.ts";
import { type WrittenFiles, writeProjectFiles } from "./project-files.ts";
import { type Candidate, readObstacles } from "./read-obstacles.ts";
import { findRelation, type Selection, selectRelations } from "./select.ts";

/** What a preparation works with. */
export interface PrepareOptions extends Selection {
  /** Names of tables whose rows become part of other documents. */
  readonly children: readonly string[];
  /** Names of tables where TRUNCATE deletes each entity. */
  readonly truncate: readonly string[];
  /** Empty: the project's only replica, or `copy` in a project without one. */
  readonly replicas: readonly string[];
  readonly dryRun: boolean;
}

/** The decision, and the files. */
export interface Preparation {
  readonly plan: AdoptionPlan;
  /** Undefined with `dryRun`. */
  readonly files: WrittenFiles | undefined;
}

/** Name of the replica in a project that has none. */
const DEFAULT_REPLICA = "copy";

/**
 * @param own Lockstep's own migrations of the source.
 * @param projectFile path of lockstep.config.ts.
 * @throws {UserError} for a name that is not found, and for a file that is in the way.
 * @throws {Error} when the source is unavailable.
 */
export async function prepareAdoption(
  {
    url,
    project,
    projectFile,
    own,
  }: {
    readonly url: string;
    readonly project: Project;
    readonly projectFile: string;
    readonly own: readonly Migration[];
  },
  options: PrepareOptions,
): Promise<Preparation> {
  const session = connectDedicated(url, "lockstep-operations");
  try {
    const catalog = await readCatalog(session);
    const request = toRequest(catalog, project, options);
    const candidates = request.relations.flatMap((relation) => candidateOf(relation, request));
    const obstacles = await readObstacles(session, own, candidates);
    const plan = planAdoption(catalog, request, obstacles, project.entities);
    if (options.dryRun) return { plan, files: undefined };
    return { plan, files: writeProjectFiles(projectFile, plan.entities, catalog.types) };
  } finally {
    await session.end({ timeout: 1 });
  }
}

function toRequest({ relations }: Catalog, project: Project, options: PrepareOptions): AdoptionRequest {
  const find = (names: readonly string[]) => names.map((name) => findRelation(relations, name));
  const children = find(options.children);
  const selected = new Set([...selectRelations(relations, options), ...children]);
  return {
    relations: relations.filter((relation) => selected.has(relation)),
    children,
    truncate: find(options.truncate),
    replicas: options.replicas.length > 0 ? options.replicas : [onlyReplica(project)],
  };
}

function onlyReplica({ replicaNames }: Project): string {
  if (replicaNames.length > 1)
    throw new UserError(
      `the project has the replicas ${replicaNames.join(", ")}: name those that get the tables with --replica`,
      "REPLICA_NEEDED",
    );
  return replicaNames[0] ?? DEFAULT_REPLICA;
}

/** Tables only: for other relations the function that installs capture has nothing to say. */
function candidateOf(relation: Relation, { truncate }: AdoptionRequest): Candidate[] {
  const { oid, kind, partitionOf, key } = relation;
  if ((kind !== "r" && kind !== "p") || partitionOf !== null || key === null) return [];
  return [
    {
      oid,
      options: captureOptions({ key, truncate: truncate.includes(relation) ? "delete" : "refuse", children: [] }),
    },
  ];
}
