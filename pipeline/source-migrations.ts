/** The migrations of the source belong to the room `gateway`. `lockstep.ts` hands them to `operations`. */
import type { Migration, Project } from "../contracts/project.ts";

/** What the gateway's room offers. */
export interface SourceMigrationsApi {
  /** Lockstep's own migrations of the source, then those of the project. */
  readonly sourceMigrations: (project: Pick<Project, "migrations">) => readonly Migration[];
}

/** Imports {@link SourceMigrationsApi} when it is first needed. */
export type LoadSourceMigrations = () => Promise<SourceMigrationsApi>;

/** Lockstep's own migrations of the source. */
export const ownSourceMigrations = ({ sourceMigrations }: SourceMigrationsApi): readonly Migration[] =>
  sourceMigrations({ migrations: { source: [], replicas: {} } });
