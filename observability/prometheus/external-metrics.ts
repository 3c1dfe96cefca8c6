/** Metrics that rules and dashboards name, and that are not of contracts/metrics.ts. Whose they are stands beside each. */
export const externalMetrics = {
  // Prometheus, of each target
  up: "up",
  alerts: "ALERTS",
  scrapeSeconds: "scrape_duration_seconds",
  // Redpanda, at its admin port
  redpandaFree: "redpanda_storage_disk_free_bytes",
  redpandaTotal: "redpanda_storage_disk_total_bytes",
  // k6 by remote write, while `bun run load` runs
  k6Requests: "k6_http_reqs_total",
  k6Failed: "k6_http_req_failed_rate",
  k6P50: "k6_http_req_duration_p50",
  k6P99: "k6_http_req_duration_p99",
  k6SyncP50: "k6_sync_latency_p50",
  k6SyncP99: "k6_sync_latency_p99",
  // Prometheus' node exporter, where one runs
  nodeFree: "node_filesystem_avail_bytes",
  nodeTotal: "node_filesystem_size_bytes",
} as const;
