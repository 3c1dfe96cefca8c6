/** The servers of one run. */
import type { Broker } from "./broker.ts";
import type { ConsumerGroups } from "./consumer-group.ts";
import type { SourceDatabase } from "./source-database.ts";
import type { World } from "./world.ts";

/** What processes and clients of a run can reach. */
export interface Servers {
  readonly world: World;
  readonly broker: Broker;
  readonly groups: ConsumerGroups;
  readonly source: SourceDatabase;
}
