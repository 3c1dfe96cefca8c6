/** Interfaces of the bench: the system under test, and the measurement of one phase. */
import type { Project } from "../../contracts/project.ts";
import type { Workload } from "../workload/workload.ts";
import type { TimeWindow } from "./commits.ts";
import type { Databases } from "./databases.ts";
import type { Sample } from "./generator.ts";
import type { WatchedProcess } from "./processes.ts";
import type { Phase } from "./result.ts";

/** Addresses and processes of the system that the bench writes to. */
export interface SystemUnderTest extends Databases {
  readonly project: Project;
  readonly workload: Workload;
  /** Where writes are sent: URL of a gateway, or of a database when there is no gateway. */
  readonly gateway: string;
  /** Bearer token for the gateway; undefined when it needs none. */
  readonly token?: string | undefined;
  /** Empty when there is no Redis. */
  readonly redis: string;
  /** Base URLs of all instances, by replica. */
  readonly replicaUrls: ReadonlyMap<string, readonly string[]>;
  readonly processes: readonly WatchedProcess[];
}

/** Measures one phase. Not reusable. */
export interface PhaseMeasurement {
  /** Adds a write whose arrival in the caches is measured. No later write may change the same entity. */
  addSample(sample: Sample): void;
  /** Starts the measurement. */
  start(): Promise<void>;
  /**
   * Waits until all writes are applied, reads the commit times from the databases, and compares the databases.
   *
   * @param window only writes that the source committed within it count.
   * @throws {Error} when the system does not become idle in time.
   */
  finish(name: string, window: TimeWindow): Promise<FinishedPhase>;
}

/** Figures of a phase, and when the slowest replica committed the last of its writes, in milliseconds since 1970. */
export type FinishedPhase = Phase & { readonly lastReplicaCommitMs: number };
