/** One phase of the bench, measured from outside while it runs. */

import { CacheSampler } from "./cache-sampler.ts";
import { type Commit, lastOf, latencies, readReplica, readSource, type Window } from "./commits.ts";
import { type Buckets, bucketsIn, figuresOf, histogramQuantile, since } from "./figures.ts";
import type { Sample } from "./generator.ts";
import type { Hops } from "./hops.ts";
import { ProcessMeter, type Watched } from "./processes.ts";
import { entity } from "./product.ts";
import type { Phase, ReplicaLatency } from "./result.ts";
import { remainingDifferences, type Sites, untilQuiet } from "./settle.ts";

/** Where everything is that is measured. */
export interface Subject extends Sites {
  /** What writes are sent to: a gateway, or a database where there is none. */
  readonly gateway: string;
  /** For a gateway that asks for one. */
  readonly token?: string | undefined;
  readonly redis: string;
  /** Base URLs of each replica's instances. */
  readonly replicaUrls: ReadonlyMap<string, readonly string[]>;
  readonly processes: readonly Watched[];
}

/** A stack, with a log between its databases. */
export interface StackSubject extends Subject {
  readonly hops: Hops;
}

/** What a phase asks of who measures it. */
export interface Measuring {
  /** Somebody wrote this and will change it no more. */
  watch(sample: Sample): void;
  /** From now on everything counts. */
  begin(): Promise<void>;
  /**
   * Waits until everything is quiet, then reads what the databases remember, and compares them.
   *
   * @param window when the writes that count were committed in the source.
   */
  finish(name: string, window: Window): Promise<Finished>;
}

/** A phase's figures, and when the last of its writes was committed in the slowest replica. */
export type Finished = Phase & { readonly lastReplicaCommitMs: number };

/** A service gives memory back when it has had little to do for two seconds. */
const REST_MS = 3_000;
const METRIC = "lockstep_sync_latency_seconds";
const stores = ["postgres", "redis"] as const;

/** Histogram of one replica and store, all its instances together. */
async function histograms({ replicaUrls }: Subject): Promise<Map<string, Buckets>> {
  const found = new Map<string, Buckets>();
  for (const [replica, urls] of replicaUrls) {
    const texts = await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
    for (const store of stores)
      found.set(`${replica} ${store}`, bucketsIn(texts.join("\n"), METRIC, { replica, store }));
  }
  return found;
}

/** Of a stack: asks its databases, its Redis and its services. */
export class Measurement implements Measuring {
  private readonly sampler: CacheSampler;
  private readonly meter: ProcessMeter;
  private before = new Map<string, Buckets>();

  /** @param compare says what differs between source and replicas at the end. */
  constructor(
    private readonly subject: StackSubject,
    private readonly compare: (sites: Sites) => Promise<string[]> = remainingDifferences,
  ) {
    this.sampler = new CacheSampler(subject.redis, entity.plural);
    this.meter = new ProcessMeter(subject.processes);
  }

  watch(sample: Sample): void {
    this.sampler.watch(sample);
  }

  async begin(): Promise<void> {
    this.meter.start();
    this.before = await histograms(this.subject);
    await this.subject.hops.begin();
  }

  async finish(name: string, window: Window): Promise<Finished> {
    await this.sampler.settled();
    await untilQuiet(this.subject);
    await Bun.sleep(REST_MS);
    const processes = this.meter.stop();
    const after = await histograms(this.subject);
    const { fromMs } = window;
    const source = await readSource(this.subject.source.sql, entity, fromMs);
    const commits = new Map<string, Commit[]>();
    for (const { name: replica, sql } of this.subject.replicas)
      commits.set(replica, await readReplica(sql, entity, fromMs));
    const hops = await this.subject.hops.figures(source, commits, window);
    const replicas: Record<string, ReplicaLatency> = {};
    let lastReplicaCommitMs = 0;
    for (const [replica, applied] of commits) {
      lastReplicaCommitMs = Math.max(lastReplicaCommitMs, lastOf(applied));
      replicas[replica] = {
        commitToCommitMs: latencies(source, applied, window),
        hopsMs: hops.get(replica) ?? null,
        commitToRedisMs: this.redisFigures(replica, source),
        histogramMs: {
          postgres: this.histogramFigures(after, `${replica} postgres`),
          redis: this.histogramFigures(after, `${replica} redis`),
        },
      };
    }
    await this.sampler.close();
    return {
      name,
      seconds: (window.toMs - fromMs) / 1_000,
      missingInRedis: this.sampler.missing,
      replicas,
      processes,
      settledAfterSeconds: Math.max(0, lastReplicaCommitMs - window.toMs) / 1_000,
      differences: await this.compare(this.subject),
      lastReplicaCommitMs,
    };
  }

  private redisFigures(replica: string, source: readonly Commit[]) {
    const committed = new Map(source.map((commit) => [`${commit.id} ${commit.version}`, commit.ms]));
    return figuresOf(
      this.sampler.seen
        .filter((seen) => seen.replica === replica)
        .flatMap(({ id, version, atMs }) => {
          const ms = committed.get(`${id} ${version}`);
          return ms === undefined ? [] : [atMs - ms];
        }),
    );
  }

  private histogramFigures(after: ReadonlyMap<string, Buckets>, key: string) {
    const counted = since(this.before.get(key) ?? new Map(), after.get(key) ?? new Map());
    const at = (share: number) => histogramQuantile(counted, share) * 1_000;
    return { count: [...counted.values()].at(-1) ?? 0, p50: at(0.5), p99: at(0.99) };
  }
}
