/** Metrics that rules and dashboards name, and that are not of contracts/metrics.ts. Whose they are stands beside each. */
export const foreign = {
  // Prometheus, of each target
  up: "up",
  alerts: "ALERTS",
  scrapeSeconds: "scrape_duration_seconds",
  // Redpanda, at its admin port
  redpandaFree: "redpanda_storage_disk_free_bytes",
  redpandaTotal: "redpanda_storage_disk_total_bytes",
  // Prometheus' node exporter, where one runs
  nodeFree: "node_filesystem_avail_bytes",
  nodeTotal: "node_filesystem_size_bytes",
} as const;
