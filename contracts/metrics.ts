/** Every metric: name, unit, labels and meaning. Services, dashboards and alerts read them from here. */

/** A metric of a service. */
export interface MetricDeclaration {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  /** The text of `# HELP` in the exposition format. */
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, in the unit of its name. */
  readonly buckets?: readonly number[];
  /** Set: an observation may have a trace id as exemplar, which the OpenMetrics format shows. */
  readonly exemplars?: true;
}

const declare = <const T extends MetricDeclaration>(metric: T): T => metric;

const latencyBuckets = [0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** All metrics. */
export const metrics = {
  syncLatency: declare({
    name: "lockstep_sync_latency_seconds",
    kind: "histogram",
    help: "Time from the commit in the source until the replica's store can read the change",
    labels: ["replica", "store"],
    buckets: latencyBuckets,
    exemplars: true,
  }),
  canaryLatency: declare({
    name: "lockstep_canary_latency_seconds",
    kind: "histogram",
    help: "Sync latency of the canary, which the relay writes every few seconds: the latency of an idle system",
    labels: ["replica", "store"],
    buckets: latencyBuckets,
    exemplars: true,
  }),
  canarySeen: declare({
    name: "lockstep_canary_timestamp_seconds",
    kind: "gauge",
    help: "Commit time of the newest canary in the replica's store, in seconds since 1970",
    labels: ["replica", "store"],
  }),
  canaryWrites: declare({
    name: "lockstep_canary_writes_total",
    kind: "counter",
    help: "Canary writes of the leading relay, by outcome",
    labels: ["outcome"],
  }),
  outboxDepth: declare({
    name: "lockstep_outbox_depth",
    kind: "gauge",
    help: "Changes that the log has not acknowledged yet",
    labels: [],
  }),
  outboxOldestAge: declare({
    name: "lockstep_outbox_oldest_age_seconds",
    kind: "gauge",
    help: "Age of the oldest change that the log has not acknowledged yet",
    labels: [],
  }),
  relayPublished: declare({
    name: "lockstep_relay_published_total",
    kind: "counter",
    help: "Changes that the relay published and the log acknowledged",
    labels: [],
  }),
  relayRecovered: declare({
    name: "lockstep_relay_recovered_total",
    kind: "counter",
    help: "Changes that the relay found in the log after a takeover or an unknown outcome, and did not publish again",
    labels: [],
  }),
  streamEvents: declare({
    name: "lockstep_stream_events_total",
    kind: "counter",
    help: "Events by the decision of the stream; filtered: valid and fresh, but no replica's filter matches",
    labels: ["outcome"],
  }),
  streamTakeovers: declare({
    name: "lockstep_stream_takeovers_total",
    kind: "counter",
    help: "Takeovers of a partition: the stream fenced earlier writers and read back their progress",
    labels: [],
  }),
  inputGaps: declare({
    name: "lockstep_input_gaps_total",
    kind: "counter",
    help: "Gaps in the input: the log had deleted the next record before it was read; verify the replicas",
    labels: ["group"],
  }),
  deadLetters: declare({
    name: "lockstep_dead_letters",
    kind: "gauge",
    help: "Open dead letters: not replayed, dropped or superseded; each instance counts those of its partitions",
    labels: [],
  }),
  paused: declare({
    name: "lockstep_paused",
    kind: "gauge",
    help: "1 while an operator has paused this service, else 0",
    labels: [],
  }),
  consumerLag: declare({
    name: "lockstep_consumer_lag",
    kind: "gauge",
    help: "Records of a partition that the consumer group has not processed; the console reports it, too",
    labels: ["group", "partition"],
  }),
  replicaApplied: declare({
    name: "lockstep_replica_events_total",
    kind: "counter",
    help: "Events by their result in the replica's database",
    labels: ["replica", "outcome"],
  }),
  cacheRequests: declare({
    name: "lockstep_cache_requests_total",
    kind: "counter",
    help: "Reads by entity id, by cache result",
    labels: ["replica", "result"],
  }),
  divergentRows: declare({
    name: "lockstep_divergent_rows",
    kind: "gauge",
    help: "Rows that differed at the last verification: the replica's from the source, or the cache's from the replica",
    labels: ["replica"],
  }),
  verifiedAt: declare({
    name: "lockstep_verified_timestamp_seconds",
    kind: "gauge",
    help: "End of the last verification, in seconds since 1970",
    labels: ["replica"],
  }),
  rebuilds: declare({
    name: "lockstep_rebuilds_total",
    kind: "counter",
    help: "Rebuilds of the replica because it was stopped for longer than the log keeps deletes",
    labels: [],
  }),
  freshReads: declare({
    name: "lockstep_fresh_reads_total",
    kind: "counter",
    help: "Reads with a Sync-Token; fresh: without a wait, waited: after a wait, behind: not in time, rejected",
    labels: ["replica", "outcome"],
  }),
  receiptsDropped: declare({
    name: "lockstep_receipts_dropped_total",
    kind: "counter",
    help: "Receipts that could not be written to the log; waiting writes report these replicas as behind",
    labels: [],
  }),
  confirmations: declare({
    name: "lockstep_confirmations_total",
    kind: "counter",
    help: "Waits for a replica (Prefer: wait); confirmed: in time, behind: not in time, unknown: receipts not readable",
    labels: ["replica", "outcome"],
  }),
  replayedWrites: declare({
    name: "lockstep_replayed_writes_total",
    kind: "counter",
    help: "Writes that were repeated with their Idempotency-Key and got the result of the first request",
    labels: [],
  }),
  cacheEpoch: declare({
    name: "lockstep_cache_epoch",
    kind: "gauge",
    help: "Epoch of the cache; it rises when cached documents may be stale, and invalidates all of them",
    labels: ["replica"],
  }),
  diskFree: declare({
    name: "lockstep_disk_free_bytes",
    kind: "gauge",
    help: "Free bytes of the disk with the service's data folder, for services that have one",
    labels: ["folder"],
  }),
  diskSize: declare({
    name: "lockstep_disk_size_bytes",
    kind: "gauge",
    help: "Size of the disk with the service's data folder",
    labels: ["folder"],
  }),
  databaseSize: declare({
    name: "lockstep_database_size_bytes",
    kind: "gauge",
    help: "Size of a database on its server's disk, by the service that owns it",
    labels: ["owner"],
  }),
  httpRequests: declare({
    name: "http_server_request_duration_seconds",
    kind: "histogram",
    help: "Duration of HTTP requests (OpenTelemetry semantic conventions)",
    labels: ["http_request_method", "http_route", "http_response_status_code"],
    buckets: latencyBuckets,
    exemplars: true,
  }),
  authRefusals: declare({
    name: "lockstep_auth_refusals_total",
    kind: "counter",
    help: "Requests rejected by authorization; missing: no token, scope: scope not granted, keys: no keys of the issuer",
    labels: ["reason"],
  }),
  poolSize: declare({
    name: "lockstep_database_pool_size_connections",
    kind: "gauge",
    help: "Maximum connections of a pool to PostgreSQL",
    labels: ["pool"],
  }),
  poolUsed: declare({
    name: "lockstep_database_pool_used_connections",
    kind: "gauge",
    help: "Connections of a pool that run a statement",
    labels: ["pool"],
  }),
  poolWaiting: declare({
    name: "lockstep_database_pool_waiting_statements",
    kind: "gauge",
    help: "Statements that wait for a connection of a pool",
    labels: ["pool"],
  }),
  bufferItems: declare({
    name: "lockstep_buffer_items",
    kind: "gauge",
    help: "Items in a bounded buffer of the process, by the buffer's name",
    labels: ["buffer"],
  }),
  bufferLimit: declare({
    name: "lockstep_buffer_limit_items",
    kind: "gauge",
    help: "Maximum items of a bounded buffer; further items are rejected or dropped",
    labels: ["buffer"],
  }),
  spans: declare({
    name: "lockstep_spans_total",
    kind: "counter",
    help: "Spans; exported: accepted by the collector, unsampled: not selected, dropped: rejected or buffer full",
    labels: ["outcome"],
  }),
  eventLoopLag: declare({
    name: "lockstep_event_loop_lag_seconds",
    kind: "histogram",
    help: "Delay of a timer of the process, measured four times a second",
    labels: [],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  }),
  heapUsed: declare({
    name: "lockstep_heap_used_bytes",
    kind: "gauge",
    help: "Live memory in the JavaScript engine's heap; the engine does not report its garbage collections",
    labels: [],
  }),
  heapSize: declare({
    name: "lockstep_heap_size_bytes",
    kind: "gauge",
    help: "Memory reserved for the JavaScript engine's heap",
    labels: [],
  }),
  residentMemory: declare({
    name: "process_resident_memory_bytes",
    kind: "gauge",
    help: "Resident memory",
    labels: [],
  }),
  cpuTime: declare({
    name: "process_cpu_seconds_total",
    kind: "counter",
    help: "User and system CPU time",
    labels: [],
  }),
  startTime: declare({
    name: "process_start_time_seconds",
    kind: "gauge",
    help: "Start of the process, in seconds since 1970",
    labels: [],
  }),
  build: declare({
    name: "lockstep_build_info",
    kind: "gauge",
    help: "Always 1, labelled with the running version",
    labels: ["version"],
  }),
} as const;
