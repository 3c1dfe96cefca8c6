/** Sends the metrics that are told at /metrics to a collector as well, under the same names and with their exemplars. */
import type { Family, Sample } from "./exposition.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { type Attributes, attributesOf, nanoseconds, type OtlpEndpoint, resourceOf, sendMetrics } from "./otlp.ts";
import { Outage } from "./outage.ts";

export interface MetricExport {
  /** Sends the values of now, once what is under way is sent. Never rejects. */
  flush(): Promise<void>;
}

/** @param everyMs from one sending to the next, in milliseconds. */
export function exportMetrics(
  deps: { readonly metrics: Pick<Metrics, "families">; readonly logger: Logger },
  endpoint: OtlpEndpoint,
  resource: Attributes,
  everyMs: number,
): MetricExport {
  const startMs = Date.now();
  // What is lost is only how fine the curve is: values count from the start, and the next ones stand for these.
  const outage = new Outage(deps.logger, "metrics cannot be sent", "metrics are sent again");
  let sending: Promise<void> | undefined;
  const send = async () => {
    const families = await deps.metrics.families();
    await sendMetrics(endpoint, metricsMessage(resource, families, startMs, Date.now()));
  };
  const sendOnce = () => {
    sending ??= send()
      .then(
        () => outage.ended(),
        (error) => outage.failed(error),
      )
      .finally(() => {
        sending = undefined;
      });
    return sending;
  };
  setInterval(() => void sendOnce(), everyMs).unref();
  return {
    async flush() {
      await sending;
      await sendOnce();
    },
  };
}

/** An ExportMetricsServiceRequest. @param startMs when counting began; @param nowMs likewise in milliseconds since 1970. */
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

/** Values that count from the start of the process. */
const CUMULATIVE = 2;

/** Without a unit: names carry it, and one told here would be appended by who makes Prometheus' names of these. */
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

/** prom-client tells a histogram as samples: how many up to each bound, their sum, their count. Here a point has them all, per bucket. */
function histogramPoints(samples: readonly Sample[], times: Times) {
  const bySeries = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) =>
    JSON.stringify(Object.entries(labels).sort()),
  );
  return [...bySeries.values()].map((series) => {
    const buckets = series.filter(({ labels }) => "le" in labels);
    const of = (ending: string) => series.find(({ metricName }) => metricName?.endsWith(ending))?.value ?? 0;
    return {
      ...times,
      attributes: labelsOf(series[0]!.labels),
      explicitBounds: buckets.slice(0, -1).map(({ labels }) => Number(labels.le)),
      bucketCounts: buckets.map(({ value }, i) => String(value - (buckets[i - 1]?.value ?? 0))),
      sum: of("_sum"),
      count: String(of("_count")),
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

/** The instance is the resource's; a label of the name would stand against it. */
const labelsOf = ({ le: _, instance: __, ...labels }: Sample["labels"]) => attributesOf(labels);
