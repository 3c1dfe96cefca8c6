/** Measures one phase of PostgreSQL's own replication, by the transactions in the WAL of the subscribers. */
import { latestMs, type TimeWindow } from "../commits.ts";
import { type Cost, CostMeter } from "../cost-meter.ts";
import { remainingDifferences } from "../differences.ts";
import { figuresOf } from "../figures.ts";
import type { FinishedPhase, PhaseMeasurement, SystemUnderTest } from "../measurement.ts";
import type { ReplicaLatency } from "../result.ts";
import { waitUntilIdle } from "../wait-until-idle.ts";
import { databaseLatency } from "./database-latency.ts";
import { COPIED_REPLICA } from "./peer-servers.ts";
import walCommits from "./pglogical-commits.sql" with { type: "text" };

/** Commit times of one transaction, in milliseconds since 1970. */
interface AppliedTransaction {
  readonly sourceMs: number;
  readonly ms: number;
}

/** Measures by the databases alone: there is no cache, log or service. */
export class PglogicalMeasurement implements PhaseMeasurement {
  private readonly meter: CostMeter;
  private startLsns: string[] = [];

  constructor(private readonly system: SystemUnderTest) {
    this.meter = new CostMeter(system.processes);
  }

  /** Does nothing: there is no cache. */
  addSample(): void {}

  async start(): Promise<void> {
    await this.meter.start();
    this.startLsns = await Promise.all(
      this.system.replicas.map(async ({ sql }) => {
        const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
        return row!.lsn;
      }),
    );
  }

  async stop(): Promise<Cost> {
    await waitUntilIdle(this.system);
    return this.meter.stop();
  }

  async finish(window: TimeWindow): Promise<FinishedPhase> {
    await waitUntilIdle(this.system);
    const differences = await remainingDifferences(this.system, () => COPIED_REPLICA);
    const replicas: Record<string, ReplicaLatency> = {};
    let lastReplicaCommitMs = 0;
    for (const [i, { name: replica, sql }] of this.system.replicas.entries()) {
      const applied = await sql.unsafe<AppliedTransaction[]>(walCommits, [this.startLsns[i]!]);
      const counted = applied.filter(({ sourceMs }) => sourceMs >= window.fromMs && sourceMs <= window.toMs);
      lastReplicaCommitMs = Math.max(lastReplicaCommitMs, latestMs(counted));
      replicas[replica] = databaseLatency(figuresOf(counted.map(({ sourceMs, ms }) => ms - sourceMs)));
    }
    return {
      seconds: (window.toMs - window.fromMs) / 1_000,
      missingInRedis: 0,
      replicas,
      settledAfterSeconds: Math.max(0, lastReplicaCommitMs - window.toMs) / 1_000,
      differences,
      lastReplicaCommitMs,
    };
  }
}
