/**
 * Where Prometheus finds what to scrape, for `docker compose` and for `bun run up --observe`. In both, each sample has the labels
 * `service` (`gateway`, `replica-catalog`, …) and `instance`, the same as on `up`.
 */
import { replicaNames } from "../../contracts/entities/index.ts";
import { coreServices } from "../../contracts/services.ts";

/** Grafana derives the windows of its rates from this: its datasource is told the same. */
export const SCRAPE_SECONDS = 5;

/** One thing to scrape. */
export interface Target {
  /** `gateway`, or `replica-<name>`: what the process calls itself in its logs, too. */
  readonly service: string;
  readonly instance: string;
  /** `host:port`. */
  readonly address: string;
}

const PORT = 8080;

/** What the processes say themselves of service and instance: the target's own labels are kept, and those of `up` are the same. */
const own = [{ action: "labeldrop", regex: "exported_(service|instance)" }];

const common = (interval: string, rules: string) => ({
  global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
  rule_files: [rules],
});

/**
 * Configuration for compose.yaml. Names are asked again and again, so that `--scale stream=3` is scraped without a change.
 * Redpanda tells of itself at its admin port.
 */
export function composeConfiguration() {
  return {
    ...common(`${SCRAPE_SECONDS}s`, "rules/*.yml"),
    scrape_configs: [
      {
        job_name: "lockstep",
        dns_sd_configs: [
          { names: [...coreServices, ...replicaNames], type: "A", port: PORT, refresh_interval: `${SCRAPE_SECONDS}s` },
        ],
        relabel_configs: [
          { source_labels: ["__meta_dns_name"], regex: `(${coreServices.join("|")})`, target_label: "service" },
          {
            source_labels: ["__meta_dns_name"],
            regex: `(${replicaNames.join("|")})`,
            replacement: "replica-$1",
            target_label: "service",
          },
        ],
        metric_relabel_configs: own,
      },
      {
        job_name: "redpanda",
        metrics_path: "/public_metrics",
        // The name that all brokers share, however many there are.
        dns_sd_configs: [{ names: ["brokers"], type: "A", port: 9644, refresh_interval: `${SCRAPE_SECONDS}s` }],
      },
    ],
  };
}

/** Configuration for processes that a file lists: {@link targetList}. Prometheus follows that file's changes by itself. */
export function listedConfiguration(files: { targets: string; rules: string }, intervalSeconds = SCRAPE_SECONDS) {
  return {
    ...common(`${intervalSeconds}s`, files.rules),
    scrape_configs: [
      { job_name: "lockstep", file_sd_configs: [{ files: [files.targets] }], metric_relabel_configs: own },
    ],
  };
}

/** The content of a file for file-based discovery. */
export const targetList = (targets: readonly Target[]) =>
  targets.map(({ service, instance, address }) => ({ targets: [address], labels: { service, instance } }));
