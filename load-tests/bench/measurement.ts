/** Interfaces of the bench: the system under test, and the measurement of one phase. */
import type { Project } from "../../contracts/project.ts";
import type { Workload } from "../workload/workload.ts";
import type { MeteredService } from "./broker-requests.ts";
import type { TimeWindow } from "./commits.ts";
import type { Cost } from "./cost-meter.ts";
import type { Databases } from "./databases.ts";
import type { Sample } from "./generator.ts";
import type { WatchedProcess } from "./processes.ts";
import type { Phase, PhaseCost } from "./result.ts";

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
  /** All processes of the system. */
  readonly processes: readonly WatchedProcess[];
  /** Those of them that count their requests to brokers. */
  readonly services: readonly MeteredService[];
}

/** Measures one phase. Not reusable. */
export interface PhaseMeasurement {
  /** Starts the measurement. */
  start(): Promise<void>;
  /** Waits until all writes are applied, and returns what they cost. @throws {Error} when that takes too long. */
  stop(): Promise<Cost>;
  /**
   * Adds a write whose arrival in the caches is measured. Only after {@link stop}, because sampling costs CPU. No later
   * write may change the same entity.
   */
  addSample(sample: Sample): void;
  /**
   * Waits until all writes are applied, reads the commit times from the databases, and compares the databases.
   *
   * @param window only writes that the source committed within it count.
   * @throws {Error} when the system does not become idle in time.
   */
  finish(window: TimeWindow): Promise<FinishedPhase>;
}

/** Latencies of a phase, and when the slowest replica committed the last of its writes, in milliseconds since 1970. */
export type FinishedPhase = Omit<Phase, keyof PhaseCost> & { readonly lastReplicaCommitMs: number };
