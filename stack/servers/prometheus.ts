/** An embedded Prometheus that scrapes a list of targets and evaluates Lockstep's alert rules. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Project } from "../../contracts/project.ts";
import { ruleFile } from "../../observability/prometheus/rules.ts";
import { listedConfiguration, type Target, targetList } from "../../observability/prometheus/scrape.ts";
import { production, type Thresholds } from "../../observability/prometheus/thresholds.ts";
import { probeHttp } from "./probes.ts";
import { prometheusPrograms } from "./prometheus-binary.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";

/** Where to start a Prometheus, and what it scrapes. */
export interface PrometheusOptions extends StartOptions {
  readonly dir: string;
  readonly port: number;
  readonly targets: readonly Target[];
  /** The rules have an alert for each of its replicas. */
  readonly project: Pick<Project, "replicaNames">;
  /** Seconds between scrapes, and between evaluations of the rules. Default: 5. */
  readonly intervalSeconds?: number;
  /** When alerts fire. Default: the thresholds for production. */
  readonly thresholds?: Thresholds;
}

/**
 * Starts a Prometheus on a port of 127.0.0.1.
 *
 * @throws {MissingComponentError} when the machine has no Prometheus and cannot fetch one.
 * @throws {UserError} with the log's last lines when it does not start.
 */
export async function startPrometheus(options: PrometheusOptions): Promise<Server> {
  const { port } = options;
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { prometheus } = await prometheusPrograms(options);
  const logFile = join(dir, "prometheus.log");
  const url = `http://127.0.0.1:${port}`;
  const server = launch({
    name: "prometheus",
    kind: "prometheus",
    url,
    port,
    command: prometheus,
    args: [
      `--config.file=${configure(dir, options)}`,
      `--storage.tsdb.path=${join(dir, "data")}`,
      "--storage.tsdb.retention.time=15d",
      // Limits the disk usage of long load tests.
      "--storage.tsdb.retention.size=1GB",
      `--web.listen-address=127.0.0.1:${port}`,
      // Exemplars link a latency to a trace. k6 writes its metrics to the remote-write receiver.
      "--enable-feature=exemplar-storage",
      "--web.enable-remote-write-receiver",
      "--log.level=warn",
    ],
    logFile,
    cleanSignal: "SIGTERM",
    graceMs: 10_000,
  });
  return waitUntilAnswering(server, () => probeHttp(`${url}/-/ready`), { timeoutMs: 30_000, logFile, options });
}

/** Writes the configuration as JSON, which is valid YAML. @returns its path. */
function configure(
  dir: string,
  { targets, project, intervalSeconds, thresholds = production }: PrometheusOptions,
): string {
  const files = { targets: join(dir, "targets.json"), rules: join(dir, "rules.yml") };
  write(files.targets, targetList(targets));
  write(files.rules, ruleFile(thresholds, project));
  const configuration = join(dir, "prometheus.yml");
  write(configuration, listedConfiguration(files, intervalSeconds));
  return configuration;
}

/** Replaces the file atomically: a running Prometheus may read it at any time. */
function write(path: string, content: unknown): void {
  writeFileSync(`${path}.tmp`, `${JSON.stringify(content, null, 2)}\n`);
  renameSync(`${path}.tmp`, path);
}
