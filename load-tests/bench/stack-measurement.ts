/** Measures one phase of a stack from outside while it runs. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { CacheSampler } from "./cache-sampler.ts";
import { type Commit, latencies, latestMs, readReplica, readSource, type TimeWindow } from "./commits.ts";
import { type Cost, CostMeter } from "./cost-meter.ts";
import { remainingDifferences } from "./differences.ts";
import { type Buckets, difference, figuresOf, histogramQuantile, readBuckets } from "./figures.ts";
import type { Sample } from "./generator.ts";
import type { Hops } from "./hops.ts";
import type { FinishedPhase, PhaseMeasurement, SystemUnderTest } from "./measurement.ts";
import type { ReplicaLatency } from "./result.ts";
import { waitUntilIdle } from "./wait-until-idle.ts";

/** A stack, with the log between its databases. */
export interface StackUnderTest extends SystemUnderTest {
  readonly hops: Hops;
}

const LATENCY_METRIC = "lockstep_sync_latency_seconds";
const stores = ["postgres", "redis"] as const;

/** Latency histograms by replica and store; those of all instances of a replica are added up. */
async function histograms({ replicaUrls }: SystemUnderTest): Promise<Map<string, Buckets>> {
  const byReplicaAndStore = new Map<string, Buckets>();
  for (const [replica, urls] of replicaUrls) {
    const texts = await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
    for (const store of stores)
      byReplicaAndStore.set(`${replica} ${store}`, readBuckets(texts.join("\n"), LATENCY_METRIC, { replica, store }));
  }
  return byReplicaAndStore;
}

/** Measures a stack by its databases, its Redis, its log and the metrics of its services. */
export class StackMeasurement implements PhaseMeasurement {
  private readonly entity: EntityDeclaration;
  private readonly sampler: CacheSampler;
  private readonly meter: CostMeter;
  private histogramsBefore = new Map<string, Buckets>();
  private histogramsAfter = new Map<string, Buckets>();

  /** @param compare returns the differences between source and replicas at the end of the phase. */
  constructor(
    private readonly stack: StackUnderTest,
    private readonly compare: (stack: SystemUnderTest) => Promise<string[]> = remainingDifferences,
  ) {
    this.entity = stack.workload.entity;
    this.sampler = new CacheSampler(stack.redis, this.entity);
    this.meter = new CostMeter(stack.processes, stack.services);
  }

  addSample(sample: Sample): void {
    this.sampler.add(sample);
  }

  async start(): Promise<void> {
    await this.meter.start();
    this.histogramsBefore = await histograms(this.stack);
    await this.stack.hops.start();
  }

  async stop(): Promise<Cost> {
    await waitUntilIdle(this.stack);
    const cost = await this.meter.stop();
    this.histogramsAfter = await histograms(this.stack);
    return cost;
  }

  async finish(window: TimeWindow): Promise<FinishedPhase> {
    await this.sampler.waitUntilSettled();
    await waitUntilIdle(this.stack);
    const { fromMs } = window;
    const source = await readSource(this.stack.source.sql, this.entity, fromMs);
    const commits = new Map<string, Commit[]>();
    for (const { name: replica, sql } of this.stack.replicas)
      commits.set(replica, await readReplica(sql, this.entity, fromMs));
    const hops = await this.stack.hops.figures(source, commits, window);
    // Samples were written after the window.
    const written = new Set(source.filter(({ ms }) => ms >= fromMs && ms <= window.toMs).map(({ id }) => id));
    const replicas: Record<string, ReplicaLatency> = {};
    let lastReplicaCommitMs = 0;
    for (const [replica, applied] of commits) {
      lastReplicaCommitMs = Math.max(lastReplicaCommitMs, latestMs(applied.filter(({ id }) => written.has(id))));
      replicas[replica] = {
        commitToCommitMs: latencies(source, applied, window),
        hopsMs: hops.get(replica) ?? null,
        commitToRedisMs: this.redisFigures(replica, source),
        histogramMs: {
          postgres: this.histogramFigures(`${replica} postgres`),
          redis: this.histogramFigures(`${replica} redis`),
        },
      };
    }
    await this.sampler.close();
    return {
      seconds: (window.toMs - fromMs) / 1_000,
      missingInRedis: this.sampler.missing,
      replicas,
      settledAfterSeconds: Math.max(0, lastReplicaCommitMs - window.toMs) / 1_000,
      differences: await this.compare(this.stack),
      lastReplicaCommitMs,
    };
  }

  private redisFigures(replica: string, source: readonly Commit[]) {
    const committed = new Map(source.map((commit) => [`${commit.id} ${commit.version}`, commit.ms]));
    return figuresOf(
      this.sampler.samples
        .filter((sample) => sample.replica === replica)
        .flatMap(({ id, version, atMs }) => {
          const ms = committed.get(`${id} ${version}`);
          return ms === undefined ? [] : [atMs - ms];
        }),
    );
  }

  private histogramFigures(key: string) {
    const counted = difference(this.histogramsBefore.get(key) ?? new Map(), this.histogramsAfter.get(key) ?? new Map());
    const quantileMs = (share: number) => histogramQuantile(counted, share) * 1_000;
    return { count: [...counted.values()].at(-1) ?? 0, p50: quantileMs(0.5), p99: quantileMs(0.99) };
  }
}
