/** What a bench run says: the content of `--json FILE`, and the table made of it. */
import type { RestartResult } from "../../stack/restart.ts";
import type { Figures } from "./figures.ts";
import type { HopFigures } from "./hops.ts";
import type { ProcessFigures } from "./processes.ts";

/** Milliseconds, unless a name says otherwise. */
export interface ReplicaLatency {
  /** By commit timestamps of both databases; an entity counts once, with its newest version. */
  readonly commitToCommitMs: Figures;
  /** Where that time went; null where there is no log between the two. */
  readonly hopsMs: HopFigures | null;
  /** From the source's commit until the version was seen in Redis by asking every 2 ms; of a sample of upserts. */
  readonly commitToRedisMs: Figures;
  /** From lockstep_sync_latency_seconds, all events, interpolated within its buckets. */
  readonly histogramMs: Readonly<Record<"postgres" | "redis", { count: number; p50: number; p99: number }>>;
}

export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Sampled writes that did not show up in Redis within 30 s. */
  readonly missingInRedis: number;
  readonly replicas: Readonly<Record<string, ReplicaLatency>>;
  readonly processes: readonly ProcessFigures[];
  /** From the last acknowledged write until everything was applied everywhere: seconds. */
  readonly settledAfterSeconds: number;
  readonly differences: readonly string[];
}

export interface HttpPhase extends Phase {
  readonly ratePerSecond: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly failed: Readonly<Record<string, number>>;
  /** From when a write was due to its answer at the client. */
  readonly ackMs: Figures;
  readonly generator: { readonly lateMs: Figures; readonly mostUnderWay: number; readonly cpuSeconds: number };
}

export interface BulkPhase extends Phase {
  readonly rowChanges: number;
  readonly sourceRowsPerSecond: number;
  /** From the first transaction's begin to the last commit in the slowest replica. */
  readonly rowsPerSecond: number;
}

/** A replica that was away, with writes going on all the while. */
export interface AwayPhase {
  readonly replica: string;
  readonly awaySeconds: number;
  /** From its return until it applied anything: until it has its partitions again. */
  readonly resumedSeconds: number;
  /** From its return until it had all that was committed by then. */
  readonly catchUpSeconds: number;
  readonly phase: HttpPhase;
}

/** A stack with so many products. */
export interface GrowthPoint {
  readonly products: number;
  /** Rows that were added for it by SQL, and how long until all replicas had them. */
  readonly loadedRows: number;
  readonly loadSeconds: number;
  readonly phase: HttpPhase;
  readonly restarted: readonly RestartResult[];
  /** From a kill, with its folder taken away, until changes come through again: everything is read back from the log before. */
  readonly streamRestoreMs: number;
  /** `lockstep verify` of everything, without rests. */
  readonly verifyMs: number;
  readonly equal: boolean;
}

export interface BenchResult {
  readonly at: string;
  readonly machine: {
    readonly cpus: number;
    readonly model: string;
    readonly memoryGb: number;
    readonly kernel: string;
    readonly bun: string;
    /** Load average over the minute before the start: what else was going on. */
    readonly loadBefore: number;
  };
  readonly brokers: number;
  readonly http: readonly HttpPhase[];
  readonly bulk: BulkPhase | null;
  /** Null unless asked for. */
  readonly away: AwayPhase | null;
  /** Empty unless asked for. */
  readonly growth: readonly GrowthPoint[];
  /** Gateway, relay, stream and replicas together at the end, in MB. */
  readonly servicesMemoryMb: number;
  readonly equal: boolean;
}
