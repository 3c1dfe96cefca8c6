/** The result of a bench: the content of `--json FILE`. */
import type { RestartResult } from "../../stack/restart.ts";
import type { Figures } from "./figures.ts";
import type { HopFigures } from "./hops.ts";
import type { ProcessFigures } from "./processes.ts";

/** Latency of one replica, in milliseconds. */
export interface ReplicaLatency {
  /** By the commit timestamps of both databases. An entity counts once, with its newest version. */
  readonly commitToCommitMs: Figures;
  /** The same latency by hop; null without a log. */
  readonly hopsMs: HopFigures | null;
  /** From the source's commit to the arrival in Redis, polled every 2 ms. For a sample of upserts. */
  readonly commitToRedisMs: Figures;
  /** By lockstep_sync_latency_seconds for all events, interpolated within its buckets. */
  readonly histogramMs: Readonly<Record<"postgres" | "redis", { count: number; p50: number; p99: number }>>;
}

/** What every phase measures. */
export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Sampled writes that did not arrive in Redis within 30 s. */
  readonly missingInRedis: number;
  readonly replicas: Readonly<Record<string, ReplicaLatency>>;
  readonly processes: readonly ProcessFigures[];
  /** From the last acknowledged write until all replicas had applied everything. */
  readonly settledAfterSeconds: number;
  readonly differences: readonly string[];
}

/** Writes at a constant rate. */
export interface HttpPhase extends Phase {
  readonly ratePerSecond: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly failed: Readonly<Record<string, number>>;
  /** From when a write was due to its response at the client. */
  readonly ackMs: Figures;
  readonly generator: { readonly lateMs: Figures; readonly mostUnderWay: number; readonly cpuSeconds: number };
}

/** Row changes by SQL, as fast as one session commits them. */
export interface BulkPhase extends Phase {
  readonly rowChanges: number;
  readonly sourceRowsPerSecond: number;
  /** From the begin of the first transaction to the last commit in the slowest replica. */
  readonly rowsPerSecond: number;
}

/** A replica that was suspended during a constant load. */
export interface AwayPhase {
  readonly replica: string;
  readonly awaySeconds: number;
  /** From its resumption until it applied the first change, when it has its partitions again. */
  readonly resumedSeconds: number;
  /** From its resumption until it had applied everything that was committed before. */
  readonly catchUpSeconds: number;
  readonly phase: HttpPhase;
}

/** A stack with a given number of products. */
export interface GrowthPoint {
  readonly products: number;
  /** Rows that were inserted by SQL to reach that number, and the time until all replicas had them. */
  readonly loadedRows: number;
  readonly loadSeconds: number;
  readonly phase: HttpPhase;
  readonly restarted: readonly RestartResult[];
  /** From the kill of the stream until changes arrive again. It first restores all versions from the log. */
  readonly streamRestoreMs: number;
  /** Duration of `lockstep verify` over everything, without pauses. */
  readonly verifyMs: number;
  readonly equal: boolean;
}

/** A whole run. */
export interface BenchResult {
  readonly at: string;
  readonly machine: {
    readonly cpus: number;
    readonly model: string;
    readonly memoryGb: number;
    readonly kernel: string;
    readonly bun: string;
    /** Load average over the minute before the start. */
    readonly loadBefore: number;
  };
  readonly brokers: number;
  readonly http: readonly HttpPhase[];
  readonly bulk: BulkPhase | null;
  /** Null without `--away`. */
  readonly away: AwayPhase | null;
  /** Empty without `--products`. */
  readonly growth: readonly GrowthPoint[];
  /** Memory of gateway, relay, stream and replicas at the end. */
  readonly servicesMemoryMb: number;
  readonly equal: boolean;
}
