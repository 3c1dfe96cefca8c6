/** Connects snapshots, activity, jobs and traced writes to the event hub. Samples only while a page is open. */
import type { Project } from "../../../contracts/project.ts";
import type { Logger } from "../../../observability/logger.ts";
import type { Connections } from "../../../operations/connect.ts";
import { JobRunner } from "../actions/jobs.ts";
import type { ConditionMonitor } from "../condition-monitor.ts";
import type { Hop, TracedWrite } from "../trace/hops.ts";
import { WriteTracer } from "../trace/write-tracer.ts";
import type { Activity } from "./activity.ts";
import { EventHub } from "./event-hub.ts";
import { HISTORY_S } from "./latency-histogram.ts";
import { createProbes } from "./probes.ts";
import { ReceiptMetrics } from "./receipt-metrics.ts";
import { Sampler } from "./sampler.ts";

/** Sampling continues for this long after the last page was closed, so that a reload finds a recent snapshot. */
const LINGER_MS = 15_000;
const MAX_ACTIVITY = 50;

/** Collaborators of {@link LiveFeed}. */
export interface LiveFeedDeps {
  readonly connections: Connections;
  readonly project: Project;
  readonly monitor: Pick<ConditionMonitor, "current">;
  readonly logger: Logger;
}

/** All data that the console sends to pages, and the state that a page gets when it connects. */
export class LiveFeed {
  readonly hub: EventHub;
  readonly tracer: WriteTracer;
  readonly jobs: JobRunner;
  private readonly receipts: ReceiptMetrics;
  private readonly sampler: Sampler;
  private readonly activity: Activity[] = [];
  private lingerTimer: Timer | undefined;

  constructor({ connections, project, monitor, logger }: LiveFeedDeps) {
    const log = () => connections.log();
    this.hub = new EventHub(() => this.initialState(), {
      onFirstConnected: () => this.startSampling(),
      onLastDisconnected: () => this.stopSamplingLater(),
    });
    this.tracer = new WriteTracer({ log, logger, onHops: (write, hops) => this.publishHops(write, hops) });
    this.jobs = new JobRunner((job) => this.hub.publish("job", job));
    this.receipts = new ReceiptMetrics(log, project, logger, (receipt) => this.tracer.onReceipt(receipt));
    this.sampler = new Sampler({
      replicaNames: project.replicaNames,
      probes: createProbes(connections, project),
      system: () => monitor.current,
      receipts: this.receipts,
      onSnapshot: (snapshot) => this.hub.broadcast("snapshot", snapshot),
      onActivity: (activity) => this.publishActivity(activity),
    });
  }

  /** Reports an action of a user to all pages. */
  readonly onAction = (action: string, name: string | null, count?: number): void =>
    this.publishActivity({ kind: "action", atMs: Date.now(), name, count: count ?? null, action });

  /** Disconnects all pages and stops all work. */
  async close(): Promise<void> {
    this.hub.close();
    clearTimeout(this.lingerTimer);
    this.jobs.close();
    this.tracer.close();
    this.sampler.stop();
    await this.receipts.stop();
  }

  private initialState() {
    const nowMs = Date.now();
    const snapshot = this.sampler.latest;
    return {
      // A snapshot from before the last page was closed may be outdated.
      snapshot: snapshot && nowMs - snapshot.atMs < LINGER_MS ? snapshot : null,
      history: this.receipts.allReplicas.series(HISTORY_S - 1, nowMs),
      writes: this.tracer.recent(),
      activity: this.activity,
      jobs: this.jobs.recent(),
    };
  }

  private startSampling(): void {
    clearTimeout(this.lingerTimer);
    this.receipts.start();
    this.sampler.start();
  }

  private stopSamplingLater(): void {
    this.lingerTimer = setTimeout(() => {
      this.sampler.stop();
      void this.receipts.stop();
    }, LINGER_MS);
  }

  private publishHops({ hops: _, ...write }: TracedWrite, hops: readonly Hop[]): void {
    this.hub.publish("hops", { write, hops });
  }

  private publishActivity(activity: Activity): void {
    this.activity.push(activity);
    if (this.activity.length > MAX_ACTIVITY) this.activity.shift();
    this.hub.publish("activity", activity);
  }
}
