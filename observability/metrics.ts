/** The metrics of contracts/metrics.ts as instruments of this process, and their text for Prometheus. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type MetricDeclaration, metrics } from "../contracts/metrics.ts";

type Instrument<M> = M extends { kind: "counter" } ? Counter : M extends { kind: "gauge" } ? Gauge : Histogram;

export type Metrics = { readonly [K in keyof typeof metrics]: Instrument<(typeof metrics)[K]> } & {
  /** All metrics in Prometheus' text format. */
  readonly text: () => Promise<string>;
};

/** Instruments of one service, in a registry of their own: nothing is global, so tests can have many. */
export function createMetrics(service: string, instance: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service, instance });
  const make = (m: MetricDeclaration) => {
    const common = { name: m.name, help: m.help, labelNames: [...m.labels], registers: [registry] };
    if (m.kind === "counter") return new Counter(common);
    if (m.kind === "gauge") return new Gauge(common);
    return new Histogram({ ...common, buckets: [...(m.buckets ?? [])] });
  };
  const process_ = [
    new Gauge({
      name: "process_resident_memory_bytes",
      help: "Resident memory",
      registers: [registry],
      collect() {
        this.set(process.memoryUsage.rss());
      },
    }),
    new Gauge({
      name: "process_cpu_seconds_total",
      help: "User and system CPU time",
      registers: [registry],
      collect() {
        const { user, system } = process.cpuUsage();
        this.set((user + system) / 1e6);
      },
    }),
  ];
  void process_;
  return {
    ...Object.fromEntries(Object.entries(metrics).map(([key, m]) => [key, make(m)])),
    text: () => registry.metrics(),
  } as Metrics;
}
