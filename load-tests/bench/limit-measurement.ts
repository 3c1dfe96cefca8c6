/** One phase of the limit, by what the subscribers' WAL remembers of each transaction. */
import { lastOf, type Window } from "./commits.ts";
import { figuresOf } from "./figures.ts";
import { COPY } from "./limit.ts";
import limitCommits from "./limit-commits.sql" with { type: "text" };
import type { Finished, Measuring, Subject } from "./measure.ts";
import { ProcessMeter } from "./processes.ts";
import type { ReplicaLatency } from "./result.ts";
import { differencesTo, remainingDifferences, untilQuiet } from "./settle.ts";

interface Applied {
  readonly sourceMs: number;
  readonly ms: number;
}

const NOTHING = figuresOf([]);
const noHistogram = { count: 0, p50: 0, p99: 0 };

/** Of the limit: asks its databases, which is all that there is. */
export class LimitMeasurement implements Measuring {
  private readonly meter: ProcessMeter;
  private from: string[] = [];

  constructor(private readonly subject: Subject) {
    this.meter = new ProcessMeter(subject.processes);
  }

  /** Nothing is sampled: there is no cache to look into. */
  watch(): void {}

  async begin(): Promise<void> {
    this.meter.start();
    this.from = await Promise.all(
      this.subject.replicas.map(async ({ sql }) => {
        const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
        return row!.lsn;
      }),
    );
  }

  async finish(name: string, window: Window): Promise<Finished> {
    await untilQuiet(this.subject);
    const processes = this.meter.stop();
    const differences = await remainingDifferences(this.subject, differencesTo(COPY));
    const replicas: Record<string, ReplicaLatency> = {};
    let lastReplicaCommitMs = 0;
    for (const [i, { name: replica, sql }] of this.subject.replicas.entries()) {
      const applied = await sql.unsafe<Applied[]>(limitCommits, [this.from[i]!]);
      const counted = applied.filter(({ sourceMs }) => sourceMs >= window.fromMs && sourceMs <= window.toMs);
      lastReplicaCommitMs = Math.max(lastReplicaCommitMs, lastOf(counted));
      replicas[replica] = {
        commitToCommitMs: figuresOf(counted.map(({ sourceMs, ms }) => ms - sourceMs)),
        hopsMs: null,
        commitToRedisMs: NOTHING,
        histogramMs: { postgres: noHistogram, redis: noHistogram },
      };
    }
    return {
      name,
      seconds: (window.toMs - window.fromMs) / 1_000,
      missingInRedis: 0,
      replicas,
      processes,
      settledAfterSeconds: Math.max(0, lastReplicaCommitMs - window.toMs) / 1_000,
      differences,
      lastReplicaCommitMs,
    };
  }
}
