/** The result of a bench: the content of `--json FILE`. */
import type { RestartResult } from "../../stack/restart.ts";
import type { RequestCounts } from "./broker-requests.ts";
import type { Figures } from "./figures.ts";
import type { HopFigures } from "./hops.ts";
import type { MachineTime, ProcessFigures } from "./processes.ts";

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

/** What a process used during a phase, from its start until everything was applied. */
export interface ProcessCost extends ProcessFigures {
  /** Resident 3 s later. Services have returned unused memory by then. */
  readonly settledMemoryMb: number;
  /** Its requests to brokers by kind. Null for a process that does not count them. */
  readonly brokerRequests: RequestCounts | null;
  /** Counted in the observed seconds after the phase. Null when they were not counted. */
  readonly systemCalls: SystemCalls | null;
}

/** System calls of a process, and the writes of the same seconds. */
export interface SystemCalls {
  readonly calls: number;
  readonly writes: number;
}

/** What a phase cost. */
export interface PhaseCost {
  readonly name: string;
  /** Writes that the cost is divided by; 0 for an idle system. */
  readonly writes: number;
  /** From the start of the phase until everything was applied. */
  readonly costSeconds: number;
  /** CPU time of the whole machine in that time, the load generator and other work included. */
  readonly machine: MachineTime;
  readonly processes: readonly ProcessCost[];
}

/** A system without writes. */
export interface IdlePhase extends PhaseCost {
  readonly kind: "idle";
}

/** What every phase with writes measures. */
export interface Phase extends PhaseCost {
  readonly seconds: number;
  /** Sampled writes that did not arrive in Redis within 30 s. */
  readonly missingInRedis: number;
  readonly replicas: Readonly<Record<string, ReplicaLatency>>;
  /** From the last acknowledged write until all replicas had applied everything. */
  readonly settledAfterSeconds: number;
  readonly differences: readonly string[];
}

/** Writes over HTTP, or over SQL to a system without a gateway. */
interface RequestPhase extends Phase {
  readonly sent: number;
  readonly acknowledged: number;
  readonly failed: Readonly<Record<string, number>>;
  /** From when a write was due to its response at the client. */
  readonly ackMs: Figures;
  readonly generator: { readonly lateMs: Figures; readonly mostUnderWay: number; readonly cpuSeconds: number };
}

/** Writes at a constant rate. */
export interface RatePhase extends RequestPhase {
  readonly kind: "rate";
  readonly ratePerSecond: number;
}

/** Clients that send one write after the other, each when the one before is answered. */
export interface ClientsPhase extends RequestPhase {
  readonly kind: "clients";
  readonly clients: number;
  readonly acknowledgedPerSecond: number;
  /** From the first write to the last commit in the slowest replica. */
  readonly appliedPerSecond: number;
}

/** Row changes by SQL, as fast as one session commits them. */
export interface BulkPhase extends Phase {
  readonly kind: "bulk";
  readonly rowChanges: number;
  readonly sourceRowsPerSecond: number;
  /** From the begin of the first transaction to the last commit in the slowest replica. */
  readonly rowsPerSecond: number;
}

/** Any phase of a run. */
export type AnyPhase = IdlePhase | RatePhase | ClientsPhase | BulkPhase;

/** Systems that a bench measures. */
export type SystemName = "lockstep" | "pglogical" | "dual-write";

/** One run of one system. */
export interface SystemRun {
  readonly system: SystemName;
  /** From 1; more with `--rounds`. */
  readonly round: number;
  /** New: each phase has a stack of its own, and counts from its first write. Warm: after writes at 200/s. */
  readonly state: "new" | "warm";
  /** Seconds of writes at 200/s before the first phase. */
  readonly warmUpSeconds: number;
  /** Names of the copies that are measured. */
  readonly copies: readonly string[];
  readonly brokers: number;
  /** Load average over the minute before the start. */
  readonly loadBefore: number;
  readonly phases: readonly AnyPhase[];
}

/** A replica that was suspended during a constant load. */
export interface AwayPhase {
  readonly replica: string;
  readonly awaySeconds: number;
  /** From its resumption until it applied the first change, when it has its partitions again. */
  readonly resumedSeconds: number;
  /** From its resumption until it had applied everything that was committed before. */
  readonly catchUpSeconds: number;
  readonly phase: RatePhase;
}

/** A stack with a given number of products. */
export interface GrowthPoint {
  readonly products: number;
  /** Rows that were inserted by SQL to reach that number, and the time until all replicas had them. */
  readonly loadedRows: number;
  readonly loadSeconds: number;
  readonly phase: RatePhase;
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
  /** In the order of time. Empty with `--away` and `--products`. */
  readonly runs: readonly SystemRun[];
  /** Null without `--away`. */
  readonly away: AwayPhase | null;
  /** Empty without `--products`. */
  readonly growth: readonly GrowthPoint[];
  /** All copies were equal to their source at the end of each phase. */
  readonly equal: boolean;
}
