/** Measures one phase of a dual write, by the commit timestamps of the rows in source and copy. */
import type { Sql } from "postgres";
import { quotedName, quotedTable } from "../../../contracts/entity/table.ts";
import { type Commit, latencies, latestMs, readSource, type TimeWindow } from "../commits.ts";
import { type Cost, CostMeter } from "../cost-meter.ts";
import { remainingDifferences } from "../differences.ts";
import type { FinishedPhase, PhaseMeasurement, SystemUnderTest } from "../measurement.ts";
import type { ReplicaLatency } from "../result.ts";
import { waitUntilIdle } from "../wait-until-idle.ts";
import copyCommits from "./copy-commits.sql" with { type: "text" };
import { databaseLatency } from "./database-latency.ts";
import { COPIED_REPLICA } from "./peer-servers.ts";

/** Measures by the databases: there is no cache and no memory of versions. */
export class DualWriteMeasurement implements PhaseMeasurement {
  private readonly meter: CostMeter;

  constructor(private readonly system: SystemUnderTest) {
    this.meter = new CostMeter(system.processes);
  }

  /** Does nothing: there is no cache. */
  addSample(): void {}

  start(): Promise<void> {
    return this.meter.start();
  }

  async stop(): Promise<Cost> {
    await waitUntilIdle(this.system);
    return this.meter.stop();
  }

  async finish(window: TimeWindow): Promise<FinishedPhase> {
    await waitUntilIdle(this.system);
    const { entity } = this.system.workload;
    const source = await readSource(this.system.source.sql, entity, window.fromMs);
    const written = new Set(source.filter(({ ms }) => ms >= window.fromMs && ms <= window.toMs).map(({ id }) => id));
    const replicas: Record<string, ReplicaLatency> = {};
    let lastReplicaCommitMs = 0;
    for (const { name, sql } of this.system.replicas) {
      const applied = await this.readCopy(sql, window.fromMs);
      lastReplicaCommitMs = Math.max(lastReplicaCommitMs, latestMs(applied.filter(({ id }) => written.has(id))));
      replicas[name] = databaseLatency(latencies(source, applied, window));
    }
    return {
      seconds: (window.toMs - window.fromMs) / 1_000,
      missingInRedis: 0,
      replicas,
      settledAfterSeconds: Math.max(0, lastReplicaCommitMs - window.toMs) / 1_000,
      differences: await remainingDifferences(this.system, () => COPIED_REPLICA),
      lastReplicaCommitMs,
    };
  }

  private async readCopy(sql: Sql, fromMs: number): Promise<Commit[]> {
    const replica = this.system.workload.entity.replicas.find(({ name }) => name === COPIED_REPLICA)!;
    const column = (member: string) => quotedName(replica.fields[member]!.column);
    const text = copyCommits
      .replace("only_table", quotedTable(replica.table))
      .replace("only_key", column(replica.key[0]!))
      .replace("only_version", column(replica.version!));
    return sql.unsafe<Commit[]>(text, [fromMs]);
  }
}
