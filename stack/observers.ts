/** What `--observe` starts beside a stack: Jaeger for traces, Prometheus for metrics, Grafana for dashboards. */
import { join } from "node:path";
import type { Project } from "../contracts/project.ts";
import type { Target } from "../observability/prometheus/scrape.ts";
import { portOf } from "./layout.ts";
import type { Plan, PlannedObserver, PlannedService } from "./plan.ts";
import { grafanaProgram, startGrafana } from "./servers/grafana.ts";
import { startJaeger } from "./servers/jaeger.ts";
import { jaegerBinary } from "./servers/jaeger-binary.ts";
import { MissingComponentError } from "./servers/machine-cache.ts";
import { startPrometheus } from "./servers/prometheus.ts";
import { prometheusPrograms } from "./servers/prometheus-binary.ts";
import { printProgress, type StartOptions } from "./servers/server.ts";
import type { ProcessSpec } from "./supervise.ts";

const localUrl = (port: number): string => `http://127.0.0.1:${port}`;

/**
 * The planned observers whose programs this machine has or can fetch. Prints a line with the remedy for each of the
 * others; the stack runs without them.
 *
 * @throws the signal's reason when it aborts.
 */
export async function availableObservers(plan: Plan, options: StartOptions): Promise<readonly PlannedObserver[]> {
  const isAvailable = await Promise.all(plan.observers.map((observer) => hasProgram(observer, options)));
  return plan.observers.filter((_, i) => isAvailable[i]);
}

async function hasProgram({ kind }: PlannedObserver, options: StartOptions): Promise<boolean> {
  try {
    if (kind === "jaeger") await jaegerBinary(options);
    else if (kind === "prometheus") await prometheusPrograms(options);
    else grafanaProgram();
    return true;
  } catch (error) {
    if (!(error instanceof MissingComponentError)) throw error;
    printProgress(options, `starting without ${kind}: ${error.message}`);
    return false;
  }
}

/** Settings that make the services send traces to Jaeger, and the console link to it. Empty without Jaeger. */
export function tracingSettings(observers: readonly PlannedObserver[], portBase: number): Record<string, string> {
  const jaeger = observers.find(({ kind }) => kind === "jaeger");
  if (!jaeger) return {};
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: localUrl(portOf(portBase, "jaeger-otlp")),
    LOCKSTEP_TRACE_UI_URL: `${localUrl(jaeger.port)}/trace/{traceId}`,
  };
}

/** Input for the configuration of an observer. */
export interface ObserverOptions {
  readonly dataDir: string;
  readonly portBase: number;
  /** Services that Prometheus scrapes. */
  readonly services: readonly PlannedService[];
  /** Its replicas decide the alert rules. */
  readonly project: Project;
  readonly print: (line: string) => void;
}

/** How to start an observer. */
export function observerSpec({ kind, port }: PlannedObserver, options: ObserverOptions): ProcessSpec {
  const { portBase, project, print } = options;
  const dir = join(options.dataDir, kind);
  const spec = { label: kind, logFile: join(dir, `${kind}.log`) };
  const otlpPort = portOf(portBase, "jaeger-otlp");
  switch (kind) {
    case "jaeger":
      return { ...spec, start: (signal, onLaunch) => startJaeger({ dir, port, otlpPort, print, signal, onLaunch }) };
    case "prometheus": {
      const targets = options.services.map(scrapeTarget);
      const prometheus = { dir, port, targets, project, print };
      return { ...spec, start: (signal, onLaunch) => startPrometheus({ ...prometheus, signal, onLaunch }) };
    }
    case "grafana": {
      const prometheusUrl = localUrl(portOf(portBase, "prometheus"));
      const jaegerUrl = localUrl(portOf(portBase, "jaeger"));
      return {
        ...spec,
        start: (signal, onLaunch) => startGrafana({ dir, port, prometheusUrl, jaegerUrl, print, signal, onLaunch }),
      };
    }
    default:
      return kind satisfies never;
  }
}

/** Each instance is its own target, so that metrics distinguish the instances of a service. */
const scrapeTarget = ({ kind, name, instance, port }: PlannedService): Target => ({
  service: kind === "replica" ? `replica-${name}` : name,
  instance: String(instance),
  address: `127.0.0.1:${port}`,
});
