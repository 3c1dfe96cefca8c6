/**
 * Sends the metrics that are told at /metrics to an OTLP/HTTP endpoint as well, under the same names. They are counted once, by
 * prom-client; OpenTelemetry's exporter makes and sends the messages. Exemplars are told at /metrics only: it has no place for them.
 */
import { type Attributes, type HrTime, ValueType } from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import type { Family, Sample } from "./exposition.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { timeOf } from "./time.ts";

const SEND_TIMEOUT_MS = 5_000;

export interface MetricExport {
  /** Sends the values of now, once what is under way is sent. Never rejects. */
  flush(): Promise<void>;
}

export function exportMetrics(
  using: { readonly metrics: Pick<Metrics, "families">; readonly logger: Logger },
  settings: {
    readonly resource: Readonly<Record<string, string>>;
    /** Base URL; `/v1/metrics` is appended. */
    readonly endpoint: string;
    readonly everyMs: number;
  },
): MetricExport {
  const { metrics, logger } = using;
  const exporter = new OTLPMetricExporter({
    url: `${settings.endpoint.replace(/\/$/, "")}/v1/metrics`,
    timeoutMillis: SEND_TIMEOUT_MS,
  });
  const resource = resourceFromAttributes(settings.resource);
  const startMs = Date.now();
  let sending: Promise<void> | undefined;
  let failing = false;
  const send = async () => {
    const scope = { scope: { name: "lockstep" }, metrics: metricsOf(await metrics.families(), startMs, Date.now()) };
    const error = await sent(exporter, { resource, scopeMetrics: [scope] });
    // What is lost is only how fine the curve is: values count from the start, and the next ones stand for these.
    if (error && !failing) logger.warn({ err: error }, "metrics cannot be sent");
    if (!error && failing) logger.info("metrics are sent again");
    failing = error !== undefined;
  };
  const sendOnce = () => {
    sending ??= send().finally(() => {
      sending = undefined;
    });
    return sending;
  };
  setInterval(() => void sendOnce(), settings.everyMs).unref();
  return {
    async flush() {
      await sending;
      await sendOnce();
    },
  };
}

/** @returns why it failed, or undefined. */
const sent = (exporter: OTLPMetricExporter, data: ResourceMetrics): Promise<Error | undefined> =>
  new Promise((resolve) =>
    // 0 is OpenTelemetry's code for success.
    exporter.export(data, ({ code, error }) => resolve(code === 0 ? undefined : (error ?? new Error("refused")))),
  );

/** Families as OpenTelemetry has them. @param startMs when counting began; @param nowMs likewise in milliseconds since 1970. */
export function metricsOf(families: readonly Family[], startMs: number, nowMs: number): MetricData[] {
  const times = { startTime: timeOf(startMs), endTime: timeOf(nowMs) };
  return families.filter(({ values }) => values.length > 0).map((family) => metricOf(family, times));
}

type Times = Record<"startTime" | "endTime", HrTime>;

function metricOf({ name, help, type, values }: Family, times: Times): MetricData {
  const common = {
    // Names carry their unit; one named here as well would be appended by who makes Prometheus' names of these.
    descriptor: { name, description: help, unit: "", valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const points = () => values.map(({ labels, value }) => ({ ...times, attributes: attributesOf(labels), value }));
  switch (type) {
    case "counter":
      return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: points() };
    case "gauge":
      return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: points() };
    case "histogram":
      return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: histogramPoints(values, times) };
    default:
      return type satisfies never;
  }
}

type HistogramPoint = Extract<MetricData, { dataPointType: DataPointType.HISTOGRAM }>["dataPoints"][number];

/** prom-client tells a histogram as samples: how many up to each bound, their sum, their count. Here a point has them all, per bucket. */
function histogramPoints(samples: readonly Sample[], times: Times): HistogramPoint[] {
  const bySeries = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) =>
    JSON.stringify(Object.entries(labels).sort()),
  );
  return [...bySeries.values()].map((series): DataPoint<HistogramPoint["value"]> => {
    const buckets = series.filter(({ labels }) => "le" in labels);
    const of = (ending: string) => series.find(({ metricName }) => metricName?.endsWith(ending))?.value ?? 0;
    return {
      ...times,
      attributes: attributesOf(series[0]!.labels),
      value: {
        buckets: {
          boundaries: buckets.slice(0, -1).map(({ labels }) => Number(labels.le)),
          counts: buckets.map(({ value }, i) => value - (buckets[i - 1]?.value ?? 0)),
        },
        sum: of("_sum"),
        count: of("_count"),
      },
    };
  });
}

/** The instance is the resource's; a label of the name would stand against it. */
const attributesOf = ({ le: _, instance: __, ...labels }: Sample["labels"]): Attributes => labels;
