/**
 * Prometheus' configuration, for `docker compose` and for `bun run up --observe`. In both, each sample and `up` have
 * the same labels `service` (`gateway`, `replica-catalog`, …) and `instance`.
 */
import type { Project } from "../../contracts/project.ts";
import { coreServices } from "../../contracts/services.ts";

/** Scrape interval. Grafana's datasource has the same value and derives the windows of its rates from it. */
export const SCRAPE_SECONDS = 5;

/** One scrape target. */
export interface Target {
  /** `gateway`, or `replica-<name>`: as in the logs of the process. */
  readonly service: string;
  readonly instance: string;
  /** `host:port`. */
  readonly address: string;
}

const PORT = 8080;

/** Drops the labels that processes report themselves: samples keep the target's labels, as `up` does. */
const dropExportedLabels = [{ action: "labeldrop", regex: "exported_(service|instance)" }];

const common = (interval: string, rules: string) => ({
  global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
  rule_files: [rules],
});

/**
 * Configuration for compose.yaml. Prometheus resolves the service names repeatedly, so `--scale stream=3` needs no
 * change. Redpanda serves its metrics on its admin port.
 */
export function composeConfiguration({ replicaNames }: Pick<Project, "replicaNames">) {
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
        metric_relabel_configs: dropExportedLabels,
      },
      {
        job_name: "redpanda",
        metrics_path: "/public_metrics",
        // The network alias of all brokers.
        dns_sd_configs: [{ names: ["brokers"], type: "A", port: 9644, refresh_interval: `${SCRAPE_SECONDS}s` }],
      },
    ],
  };
}

/** Configuration for targets in a file ({@link targetList}). Prometheus reloads the file when it changes. */
export function listedConfiguration(files: { targets: string; rules: string }, intervalSeconds = SCRAPE_SECONDS) {
  return {
    ...common(`${intervalSeconds}s`, files.rules),
    scrape_configs: [
      {
        job_name: "lockstep",
        file_sd_configs: [{ files: [files.targets] }],
        metric_relabel_configs: dropExportedLabels,
      },
    ],
  };
}

/** The content of a target file, for file-based discovery. */
export const targetList = (targets: readonly Target[]) =>
  targets.map(({ service, instance, address }) => ({ targets: [address], labels: { service, instance } }));
