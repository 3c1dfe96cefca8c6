/** Metrics in rules and dashboards that other programs report; contracts/metrics.ts has our own. */
export const externalMetrics = {
  // Prometheus, for each target
  up: "up",
  alerts: "ALERTS",
  scrapeSeconds: "scrape_duration_seconds",
  // Redpanda, on its admin port
  redpandaFree: "redpanda_storage_disk_free_bytes",
  redpandaTotal: "redpanda_storage_disk_total_bytes",
  // k6, by remote write during `bun run load`
  k6Requests: "k6_http_reqs_total",
  k6Failed: "k6_http_req_failed_rate",
  k6P50: "k6_http_req_duration_p50",
  k6P99: "k6_http_req_duration_p99",
  k6SyncP50: "k6_sync_latency_p50",
  k6SyncP99: "k6_sync_latency_p99",
  // Prometheus' node exporter
  nodeFree: "node_filesystem_avail_bytes",
  nodeTotal: "node_filesystem_size_bytes",
} as const;
