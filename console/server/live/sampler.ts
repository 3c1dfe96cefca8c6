/** Takes one snapshot per second for all open pages, and none while no page is open. */
import { cacheHealthOf } from "../../../contracts/cache-health.ts";
import type { SystemState } from "../../../operations/conditions/condition-reader.ts";
import { totalOf } from "../../../operations/conditions/open-dead-letters.ts";
import { type Activity, detectActivity } from "./activity.ts";
import type { CachedValue } from "./cached-value.ts";
import { CounterRates } from "./counter-rates.ts";
import type { Probes } from "./probes.ts";
import { type ReceiptMetrics, WINDOW_S } from "./receipt-metrics.ts";
import type { ReplicaState, Snapshot } from "./snapshot.ts";

const INTERVAL_MS = 1_000;
/** A result that is older is shown as unknown. */
const MAX_AGE_MS = 6_000;
/** A result that is older is no new sample for a rate. */
const MAX_RATE_AGE_MS = INTERVAL_MS * 1.5;
/** The first snapshots report no activity, because the first result of each probe looks like a change. */
const SETTLING_SNAPSHOTS = 4;

/** Collaborators of the sampler, and the receivers of its results. */
export interface SamplerDeps {
  readonly replicaNames: readonly string[];
  readonly probes: Probes;
  /** The last state of the system; undefined when it is not known. */
  readonly system: () => SystemState | undefined;
  readonly receipts: ReceiptMetrics;
  readonly onSnapshot: (snapshot: Snapshot) => void;
  readonly onActivity: (activity: Activity) => void;
}

/** Combines the results of the probes into snapshots, and compares each with the one before. */
export class Sampler {
  /** The newest snapshot; undefined before the first. */
  latest: Snapshot | undefined;
  private readonly produceRates = new CounterRates();
  private readonly consumeRates = new CounterRates();
  private timer: Timer | undefined;
  private snapshots = 0;

  constructor(private readonly deps: SamplerDeps) {}

  /** Starts to take snapshots, the first at once. Does nothing when it is running. */
  start(): void {
    if (this.timer) return;
    // Changes since an earlier run did not happen now, and are not reported.
    this.latest = undefined;
    this.snapshots = 0;
    this.timer = setInterval(() => this.sample(), INTERVAL_MS);
    this.sample();
  }

  /** Stops taking snapshots. */
  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private sample(): void {
    const { probes, onSnapshot, onActivity } = this.deps;
    const nowMs = performance.now();
    for (const probe of Object.values(probes)) probe.refreshIfDue(nowMs);
    this.sampleRates(nowMs);
    const snapshot = this.snapshot(nowMs);
    if (++this.snapshots > SETTLING_SNAPSHOTS && this.latest)
      for (const activity of detectActivity(this.latest, snapshot)) onActivity(activity);
    this.latest = snapshot;
    onSnapshot(snapshot);
  }

  private sampleRates(nowMs: number): void {
    const { topics, consumers } = this.deps.probes;
    if (topics.ageMs(nowMs) < MAX_RATE_AGE_MS && topics.value) this.produceRates.addSample(topics.value, nowMs);
    if (consumers.ageMs(nowMs) < MAX_RATE_AGE_MS && consumers.value) {
      const positions = consumers.value.map(
        ({ topic, partitions }) => [topic, partitions.reduce((sum, { position }) => sum + position, 0)] as const,
      );
      this.consumeRates.addSample(new Map(positions), nowMs);
    }
  }

  private snapshot(nowMs: number): Snapshot {
    const { probes, receipts, replicaNames } = this.deps;
    const system = this.deps.system();
    const atMs = Date.now();
    const fresh = <T>(probe: CachedValue<T>): T | null =>
      probe.ageMs(nowMs) < MAX_AGE_MS ? (probe.value ?? null) : null;
    const services = fresh(probes.services);
    const topics = fresh(probes.topics);
    const topicStates = [...(topics ?? [])].map(
      ([name, end]) => [name, { end, perSecond: this.produceRates.perSecond(name) }] as const,
    );
    const consumers = fresh(probes.consumers)?.map(({ name, topic, lag }) => {
      return { name, topic, lag, perSecond: this.consumeRates.perSecond(topic) };
    });
    const replicas = replicaNames.map(
      (name) => [name, { ...receipts.latencyOf(name, atMs), cache: cacheStateOf(services, name) }] as const,
    );
    return {
      atMs,
      services,
      outbox: fresh(probes.outbox),
      topics: topics && Object.fromEntries(topicStates),
      consumers: consumers ?? null,
      paused: pausedOf(fresh(probes.paused)),
      latency: receipts.allReplicas.window(WINDOW_S, atMs),
      lastSecond: receipts.allReplicas.series(1, atMs)[0]!,
      replicas: Object.fromEntries(replicas),
      deadLetters: system?.deadLetters ? totalOf(system.deadLetters) : null,
      verifications: fresh(probes.verifications),
      rebuilds: fresh(probes.rebuilds) ?? [],
      conditions: system?.conditions ?? null,
    };
  }
}

function pausedOf(
  controls: ReadonlyMap<string, { paused: boolean; at: string; reason?: string }> | null,
): Snapshot["paused"] {
  if (!controls) return null;
  const paused = [...controls].filter(([, control]) => control.paused);
  return Object.fromEntries(
    paused.map(([key, { at, reason }]) => [key.replace(/^replica\//, ""), { at, reason: reason ?? null }]),
  );
}

/** From the note of the readiness check `cache` of the first instance that has one. */
function cacheStateOf(services: Snapshot["services"], replica: string): ReplicaState["cache"] {
  const note = services?.find(({ name, notes }) => name === replica && notes?.["cache-off"])?.notes?.["cache-off"];
  return (note && cacheHealthOf(note)) || null;
}
