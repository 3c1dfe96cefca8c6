/** What watches a stack when it is asked for: Jaeger for traces, Prometheus for metrics and alerts, Grafana for dashboards. */
import { join } from "node:path";
import type { Target } from "../observability/prometheus/scrape.ts";
import { portOf } from "./layout.ts";
import type { Plan, PlannedObserver, PlannedService } from "./plan.ts";
import { grafanaProgram, startGrafana } from "./servers/grafana.ts";
import { startJaeger } from "./servers/jaeger.ts";
import { jaegerBinary } from "./servers/jaeger-binary.ts";
import { MissingComponentError } from "./servers/machine-cache.ts";
import { startPrometheus } from "./servers/prometheus.ts";
import { prometheusPrograms } from "./servers/prometheus-binary.ts";
import type { StartOptions } from "./servers/server.ts";
import type { ProcessSpec } from "./supervise.ts";

const local = (port: number): string => `http://127.0.0.1:${port}`;

/**
 * Those that this machine has or can bring; for each other one a line says what to do. A stack does without them.
 *
 * @throws what ends the waiting.
 */
export async function presentObservers(plan: Plan, waiting: StartOptions): Promise<readonly PlannedObserver[]> {
  const found = await Promise.all(
    plan.observers.map(async (observer) => ((await isPresent(observer, waiting)) ? [observer] : [])),
  );
  return found.flat();
}

async function isPresent({ kind }: PlannedObserver, waiting: StartOptions): Promise<boolean> {
  try {
    if (kind === "jaeger") await jaegerBinary(waiting);
    else if (kind === "prometheus") await prometheusPrograms(waiting);
    else grafanaProgram();
    return true;
  } catch (error) {
    if (!(error instanceof MissingComponentError)) throw error;
    (waiting.say ?? console.error)(`goes on without ${kind}: ${error.message}`);
    return false;
  }
}

/** What the services are told, so that their traces arrive where an observer shows them. */
export function tracingSettings(observers: readonly PlannedObserver[], portBase: number): Record<string, string> {
  const jaeger = observers.find(({ kind }) => kind === "jaeger");
  if (!jaeger) return {};
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: local(portOf(portBase, "jaeger-otlp")),
    LOCKSTEP_TRACE_UI_URL: `${local(jaeger.port)}/trace/{traceId}`,
  };
}

/** An observer as something to keep running. */
export function observerPart(
  { kind, port }: PlannedObserver,
  {
    data,
    portBase,
    services,
    say,
  }: { data: string; portBase: number; services: readonly PlannedService[]; say: (line: string) => void },
): ProcessSpec {
  const dir = join(data, kind);
  const part = { label: kind, logFile: join(dir, `${kind}.log`) };
  switch (kind) {
    case "jaeger":
      return {
        ...part,
        start: (signal, launched) =>
          startJaeger({ dir, port, otlpPort: portOf(portBase, "jaeger-otlp"), say, signal, launched }),
      };
    case "prometheus":
      return {
        ...part,
        start: (signal, launched) =>
          startPrometheus({ dir, port, targets: services.map(targetOf), say, signal, launched }),
      };
    case "grafana":
      return {
        ...part,
        start: (signal, launched) =>
          startGrafana({
            ...{ dir, port, say, signal, launched },
            prometheusUrl: local(portOf(portBase, "prometheus")),
            jaegerUrl: local(portOf(portBase, "jaeger")),
          }),
      };
    default:
      return kind satisfies never;
  }
}

/** Each instance by itself, so that two of one service are told apart. */
const targetOf = ({ kind, name, instance, port }: PlannedService): Target => ({
  service: kind === "replica" ? `replica-${name}` : name,
  instance: String(instance),
  address: `127.0.0.1:${port}`,
});
