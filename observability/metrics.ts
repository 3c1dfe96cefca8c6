/** The metrics of contracts/metrics.ts as instruments of one process. */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from "prom-client";
import { type MetricDeclaration, metrics } from "../contracts/metrics.ts";
import { type ExpositionFormat, expositionOf, type Family } from "./exposition.ts";

/** A histogram with exemplars. */
export interface TracedHistogram {
  /**
   * @param labels pass the same object in each call, which is cheapest.
   * @param traceId id of the observation's trace, if the trace is sampled. It becomes the exemplar.
   * @param count how many observations have this value. Default 1.
   */
  observe(labels: Readonly<Record<string, string>>, value: number, traceId?: string, count?: number): void;
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

/** One series of a prom-client histogram. */
interface Series {
  readonly labels: object;
  /** Observations by the upper bound of their bucket, those above the last bound left out. */
  readonly bucketValues: Record<number, number>;
  sum: number;
  count: number;
}

/**
 * Adds observations to their series itself: prom-client checks and hashes the labels of each, which costs a replica
 * more than decoding the event.
 */
function traced(histogram: Histogram): TracedHistogram {
  const { upperBounds, hashMap } = histogram as unknown as {
    readonly upperBounds: readonly number[];
    readonly hashMap: Readonly<Record<string, Series>>;
  };
  const known = new WeakMap<object, Series>();
  return {
    observe(labels, value, traceId, count = 1) {
      let series = traceId === undefined ? known.get(labels) : undefined;
      let remaining = count;
      if (!series) {
        histogram.observe({ labels, value, ...(traceId ? { exemplarLabels: { trace_id: traceId } } : {}) });
        series = known.get(labels) ?? Object.values(hashMap).find((one) => one.labels === labels);
        if (series) known.set(labels, series);
        remaining--;
      }
      if (remaining === 0) return;
      if (!series) {
        for (; remaining > 0; remaining--) histogram.observe({ labels, value });
        return;
      }
      const bound = upperBounds.find((upper) => value <= upper);
      if (bound !== undefined) series.bucketValues[bound]! += remaining;
      series.sum += value * remaining;
      series.count += remaining;
    },
  };
}
