/** The migrations of each replica: Lockstep's own, then those of the project. A released migration is never edited. */
import type { Migration, Project } from "../../contracts/project.ts";
import lockstep from "./0001-lockstep.sql" with { type: "text" };
import positions from "./0002-positions.sql" with { type: "text" };
import refusals from "./0003-refusals.sql" with { type: "text" };
import canaries from "./0004-canaries.sql" with { type: "text" };
import incarnation from "./0005-incarnation.sql" with { type: "text" };
import logIncomplete from "./0006-log-incomplete.sql" with { type: "text" };
import rowsAtFault from "./0007-rows-at-fault.sql" with { type: "text" };
import anyKey from "./0008-any-key.sql" with { type: "text" };
import anyTable from "./0009-any-table.sql" with { type: "text" };
import isolateAnyKey from "./0010-isolate-any-key.sql" with { type: "text" };
import rebuildBesideOwnObjects from "./0011-rebuild-beside-own-objects.sql" with { type: "text" };
import filled from "./0012-filled.sql" with { type: "text" };

const shared: readonly Migration[] = [
  { name: "0001-lockstep", sql: lockstep },
  { name: "0002-positions", sql: positions },
  { name: "0003-refusals", sql: refusals },
  { name: "0004-canaries", sql: canaries },
  { name: "0005-incarnation", sql: incarnation },
  { name: "0006-log-incomplete", sql: logIncomplete },
  { name: "0007-rows-at-fault", sql: rowsAtFault },
  { name: "0008-any-key", sql: anyKey },
  { name: "0009-any-table", sql: anyTable },
  { name: "0010-isolate-any-key", sql: isolateAnyKey },
  { name: "0011-rebuild-beside-own-objects", sql: rebuildBesideOwnObjects },
  { name: "0012-filled", sql: filled },
];

/** In the order in which they run. */
export const migrationsOf = ({ migrations }: Pick<Project, "migrations">, replica: string): readonly Migration[] => [
  ...shared,
  ...(migrations.replicas[replica] ?? []),
];
