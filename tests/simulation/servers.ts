/** The servers of one run. */
import type { ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Freshness } from "../../replicas/reads/freshness.ts";
import type { Lookup } from "../../replicas/reads/lookup.ts";
import type { Broker } from "./broker.ts";
import type { ConsumerGroups } from "./consumer-group.ts";
import type { RedisServer } from "./redis-server.ts";
import type { ReplicaDatabase } from "./replica-database.ts";
import type { SourceDatabase } from "./source-database.ts";
import type { SimulatedProcess, World } from "./world.ts";

/** What processes and clients of a run can reach. */
export interface Servers {
  readonly world: World;
  readonly broker: Broker;
  readonly groups: ConsumerGroups;
  readonly source: SourceDatabase;
}

/** How clients read from one process. */
export interface Reader {
  readonly lookup: Lookup;
  readonly freshness: Freshness;
}

/** One replica: its servers, and the processes that answer reads. */
export interface ReplicaServers {
  readonly declaration: ReplicaDeclaration;
  readonly database: ReplicaDatabase;
  /** Undefined: the replica has no cache. */
  readonly redis: RedisServer | undefined;
  readonly readers: Map<SimulatedProcess, Reader>;
}
