/** The metrics of contracts/metrics.ts as instruments of this process, and what they tell to who asks. */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from "prom-client";
import { type MetricDeclaration, metrics } from "../contracts/metrics.ts";
import { expositionOf, type Family } from "./exposition.ts";

/** A histogram whose observations may name a trace. */
export interface TracedHistogram {
  /** @param traceId of a trace that is kept: a reader is sent there. */
  observe(labels: Readonly<Record<string, string>>, value: number, traceId?: string): void;
}

type Instrument<M> = M extends { kind: "counter" }
  ? Counter
  : M extends { kind: "gauge" }
    ? Gauge
    : M extends { exemplars: true }
      ? TracedHistogram
      : Histogram;

export type Metrics = { readonly [K in keyof typeof metrics]: Instrument<(typeof metrics)[K]> } & {
  /** Called before the metrics are told, to bring gauges up to date. Must be quick and must not throw. */
  readonly onCollect: (update: () => void) => void;
  /** All metrics with their values of now. */
  readonly families: () => Promise<readonly Family[]>;
  /** The same in Prometheus' text format, or in OpenMetrics', which has exemplars. */
  readonly text: (format?: "prometheus" | "openmetrics") => Promise<string>;
};

/** Instruments of one service, in a registry of their own: nothing is global, so tests can have many. */
export function createMetrics(service: string, instance: string): Metrics {
  // The format is only what prom-client asks of who wants exemplars: the text is made by expositionOf.
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  registry.setDefaultLabels({ service, instance });
  const updates: (() => void)[] = [];
  const families = async () => {
    for (const update of updates) update();
    return (await registry.getMetricsAsJSON()) as unknown as Family[];
  };
  const instruments = Object.entries(metrics).map(([key, declared]) => [key, instrument(declared, registry)]);
  return {
    ...Object.fromEntries(instruments),
    onCollect: (update) => void updates.push(update),
    families,
    text: async (format = "prometheus") => expositionOf(await families(), format),
  } as Metrics;
}

function instrument(
  declared: MetricDeclaration,
  registry: Registry<OpenMetricsContentType>,
): Counter | Gauge | Histogram | TracedHistogram {
  const { name, help, labels, kind, buckets = [], exemplars } = declared;
  // The types know one format per registry, and take the other one for the only.
  const registers = [registry as unknown as Registry];
  const common = { name, help, labelNames: [...labels], registers };
  if (kind === "counter") return new Counter(common);
  if (kind === "histogram") {
    const histogram = new Histogram({ ...common, buckets: [...buckets], enableExemplars: exemplars ?? false });
    return exemplars ? traced(histogram) : histogram;
  }
  const gauge = new Gauge(common);
  // A service that never sets it has nothing to say about it: 0 would be a claim.
  if (labels.length === 0) gauge.remove();
  return gauge;
}

const traced = (histogram: Histogram): TracedHistogram => ({
  observe(labels, value, traceId) {
    histogram.observe({ labels, value, ...(traceId ? { exemplarLabels: { trace_id: traceId } } : {}) });
  },
});
