/** The metrics of contracts/metrics.ts as instruments of one process. */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from "prom-client";
import { type MetricDeclaration, metrics } from "../contracts/metrics.ts";
import { type ExpositionFormat, expositionOf, type Family } from "./exposition.ts";

/** A histogram with exemplars. */
export interface TracedHistogram {
  /** @param traceId id of the observation's trace, if the trace is sampled. It becomes the exemplar. */
  observe(labels: Readonly<Record<string, string>>, value: number, traceId?: string): void;
}

type Instrument<M> = M extends { kind: "counter" }
  ? Counter
  : M extends { kind: "gauge" }
    ? Gauge
    : M extends { exemplars: true }
      ? TracedHistogram
      : Histogram;

/** One instrument per declared metric, and access to their values. */
export type Metrics = { readonly [K in keyof typeof metrics]: Instrument<(typeof metrics)[K]> } & {
  /** Registers a function that updates gauges before each read. It must be fast and must not throw. */
  readonly onCollect: (update: () => void) => void;
  /** All metrics with their current values. */
  readonly families: () => Promise<readonly Family[]>;
  /** All metrics as text, by default in Prometheus' format. */
  readonly text: (format?: ExpositionFormat) => Promise<string>;
};

/** Creates the instruments of one service in a registry of its own: nothing is global, so a test can have several. */
export function createMetrics(service: string, instance: string): Metrics {
  // prom-client records exemplars only with this content type. `expositionOf` writes the text, in either format.
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
  // The types of prom-client accept only a registry of the default format here.
  const registers = [registry as unknown as Registry];
  const common = { name, help, labelNames: [...labels], registers };
  if (kind === "counter") return new Counter(common);
  if (kind === "histogram") {
    const histogram = new Histogram({ ...common, buckets: [...buckets], enableExemplars: exemplars ?? false });
    return exemplars ? traced(histogram) : histogram;
  }
  const gauge = new Gauge(common);
  // prom-client starts a gauge at 0. A service that never sets the gauge must not report a value.
  if (labels.length === 0) gauge.remove();
  return gauge;
}

const traced = (histogram: Histogram): TracedHistogram => ({
  observe(labels, value, traceId) {
    histogram.observe({ labels, value, ...(traceId ? { exemplarLabels: { trace_id: traceId } } : {}) });
  },
});
