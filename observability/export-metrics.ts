/** Sends the metrics of /metrics to a collector too, with the same names and exemplars. */
import type { Family, Sample } from "./exposition.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { type Attributes, attributesOf, nanoseconds, type OtlpEndpoint, resourceOf, sendMetrics } from "./otlp.ts";
import { Outage } from "./outage.ts";

/** A running export. */
export interface MetricExport {
  /** Sends the current values, after any request in flight. Never rejects. */
  flush(): Promise<void>;
}

/** Starts sending metrics every `intervalMs` milliseconds, until the process ends. */
export function exportMetrics(
  deps: { readonly metrics: Pick<Metrics, "families">; readonly logger: Logger },
  endpoint: OtlpEndpoint,
  resource: Attributes,
  intervalMs: number,
): MetricExport {
  const startMs = Date.now();
  // A failed request loses only resolution: the next values include these, because they are cumulative.
  const outage = new Outage(
    deps.logger,
    "metrics cannot be sent; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector",
    "metrics are sent again",
  );
  let inFlight: Promise<void> | undefined;
  const send = async () => {
    const families = await deps.metrics.families();
    await sendMetrics(endpoint, metricsMessage(resource, families, startMs, Date.now()));
  };
  const sendOnce = () => {
    inFlight ??= send()
      .then(
        () => outage.ended(),
        (error) => outage.failed(error),
      )
      .finally(() => {
        inFlight = undefined;
      });
    return inFlight;
  };
  setInterval(() => void sendOnce(), intervalMs).unref();
  return {
    async flush() {
      await inFlight;
      await sendOnce();
    },
  };
}

/** An ExportMetricsServiceRequest. @param startMs start of the counters, and `nowMs`: in milliseconds since 1970. */
function metricsMessage(resource: Attributes, families: readonly Family[], startMs: number, nowMs: number) {
  const times = { startTimeUnixNano: nanoseconds(startMs), timeUnixNano: nanoseconds(nowMs) };
  const metrics = families.filter(({ values }) => values.length > 0).map((family) => metricMessage(family, times));
  return {
    resourceMetrics: [{ resource: resourceOf(resource), scopeMetrics: [{ scope: { name: "lockstep" }, metrics }] }],
  };
}

interface Times {
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
}

/** AGGREGATION_TEMPORALITY_CUMULATIVE: values since the start of the process. */
const CUMULATIVE = 2;

/** Sets no unit: the names contain it, and a collector would append it again when it derives Prometheus names. */
function metricMessage({ name, help, type, values }: Family, times: Times) {
  const common = { name, description: help };
  const points = () => values.map(({ labels, value }) => ({ ...times, attributes: labelsOf(labels), asDouble: value }));
  switch (type) {
    case "counter":
      return { ...common, sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints: points() } };
    case "gauge":
      return { ...common, gauge: { dataPoints: points() } };
    case "histogram":
      return {
        ...common,
        histogram: { aggregationTemporality: CUMULATIVE, dataPoints: histogramPoints(values, times) },
      };
    default:
      return type satisfies never;
  }
}

/**
 * One point per series. prom-client returns a histogram as samples: cumulative counts per bound, sum, and count. OTLP
 * wants them in one point, with the count of each bucket.
 */
function histogramPoints(samples: readonly Sample[], times: Times) {
  const bySeries = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) =>
    JSON.stringify(Object.entries(labels).sort()),
  );
  return [...bySeries.values()].map((series) => {
    const buckets = series.filter(({ labels }) => "le" in labels);
    const sampleValue = (suffix: string) => series.find(({ metricName }) => metricName?.endsWith(suffix))?.value ?? 0;
    return {
      ...times,
      attributes: labelsOf(series[0]!.labels),
      explicitBounds: buckets.slice(0, -1).map(({ labels }) => Number(labels.le)),
      bucketCounts: buckets.map(({ value }, i) => String(value - (buckets[i - 1]?.value ?? 0))),
      sum: sampleValue("_sum"),
      count: String(sampleValue("_count")),
      exemplars: buckets.flatMap(({ exemplar }) =>
        exemplar
          ? [
              {
                timeUnixNano: nanoseconds(exemplar.timestamp * 1_000),
                asDouble: exemplar.value,
                traceId: exemplar.labelSet.trace_id,
              },
            ]
          : [],
      ),
    };
  });
}

/** Without `instance`, which the resource has already: the two would conflict. */
const labelsOf = ({ le: _, instance: __, ...labels }: Sample["labels"]) => attributesOf(labels);
