/** All that the page is told by itself, and what those who come later must know of it. Works while somebody looks. */
import type { Logger } from "../../../observability/logger.ts";
import type { Connections } from "../../../operations/connect.ts";
import { type Job, Jobs } from "../actions/jobs.ts";
import type { Hop, TracedWrite } from "../trace/hops.ts";
import { WriteTrace } from "../trace/write-tracer.ts";
import type { Activity } from "./activity.ts";
import { Hub } from "./event-hub.ts";
import { SECONDS } from "./latency-histogram.ts";
import { questionsOf } from "./probes.ts";
import { Traffic } from "./receipt-metrics.ts";
import { Sampler } from "./sampler.ts";

/** A reload of the page is not the end of looking. */
const LINGER_MS = 15_000;
const MOST_HAPPENINGS = 50;

export class Live {
  readonly hub: Hub;
  readonly follow: WriteTrace;
  readonly jobs: Jobs;
  private readonly traffic: Traffic;
  private readonly sampler: Sampler;
  private readonly happened: Activity[] = [];
  private lingering: Timer | undefined;

  constructor(connections: Connections, logger: Logger) {
    const log = () => connections.log();
    this.hub = new Hub(() => this.hello(), { arrived: () => this.arrived(), left: () => this.left() });
    this.follow = new WriteTrace({ log, logger, onHops: (write, hops) => this.moved(write, hops) });
    this.jobs = new Jobs((job) => this.hub.publish("job", job));
    this.traffic = new Traffic(log, logger, (receipt) => this.follow.heard(receipt));
    this.sampler = new Sampler({
      questions: questionsOf(connections),
      traffic: this.traffic,
      onSnapshot: (snapshot) => this.hub.show("snapshot", snapshot),
      onHappening: (happening) => this.happen(happening),
    });
  }

  /** Tells all that somebody did something on the page. */
  readonly onAction = (act: string, name: string | null, count?: number): void =>
    this.happen({ kind: "did", atMs: Date.now(), name, count: count ?? null, act });

  async close(): Promise<void> {
    clearTimeout(this.lingering);
    this.hub.close();
    clearTimeout(this.lingering);
    this.jobs.close();
    this.follow.close();
    this.sampler.stop();
    await this.traffic.stop();
  }

  private hello() {
    const nowMs = Date.now();
    const snapshot = this.sampler.latest;
    return {
      // What was seen before everybody left is not how things are.
      snapshot: snapshot && nowMs - snapshot.atMs < LINGER_MS ? snapshot : null,
      history: this.traffic.all.series(SECONDS - 1, nowMs),
      writes: this.follow.recent(),
      happenings: this.happened,
      jobs: this.jobs.recent() satisfies readonly Job[],
    };
  }

  private arrived(): void {
    clearTimeout(this.lingering);
    this.traffic.start();
    this.sampler.start();
  }

  private left(): void {
    this.lingering = setTimeout(() => {
      this.sampler.stop();
      void this.traffic.stop();
    }, LINGER_MS);
  }

  private moved({ hops: _, ...write }: TracedWrite, hops: readonly Hop[]): void {
    this.hub.publish("hops", { write, hops });
  }

  private happen(happening: Activity): void {
    this.happened.push(happening);
    if (this.happened.length > MOST_HAPPENINGS) this.happened.shift();
    this.hub.publish("happening", happening);
  }
}
