/** Every metric by its name: unit, labels, meaning. Services, dashboards and alerts take them from here. */

export interface MetricDeclaration {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, in the unit of its name. */
  readonly buckets?: readonly number[];
  /** Its observations may name the trace that they belong to, told to who asks for OpenMetrics. */
  readonly exemplars?: true;
}

const declare = <const T extends MetricDeclaration>(metric: T): T => metric;

const latencyBuckets = [0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const metrics = {
  syncLatency: declare({
    name: "lockstep_sync_latency_seconds",
    kind: "histogram",
    help: "From the commit in the source to readable in the replica's store",
    labels: ["replica", "store"],
    buckets: latencyBuckets,
    exemplars: true,
  }),
  canaryLatency: declare({
    name: "lockstep_canary_latency_seconds",
    kind: "histogram",
    help: "The same of the canary, which the relay writes every few seconds: an idle system tells its latency by it",
    labels: ["replica", "store"],
    buckets: latencyBuckets,
    exemplars: true,
  }),
  canarySeen: declare({
    name: "lockstep_canary_timestamp_seconds",
    kind: "gauge",
    help: "When the newest canary that is readable there was committed, in seconds since 1970",
    labels: ["replica", "store"],
  }),
  canaryWrites: declare({
    name: "lockstep_canary_writes_total",
    kind: "counter",
    help: "Canaries that the leading relay wrote in the source, or failed to write",
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
    help: "Changes found in the log by reading back after a take-over or an unknown outcome, and so not published again",
    labels: [],
  }),
  streamEvents: declare({
    name: "lockstep_stream_events_total",
    kind: "counter",
    help: "Events by what the stream decided; filtered: valid and new, but of no replica's filter",
    labels: ["outcome"],
  }),
  streamTakeovers: declare({
    name: "lockstep_stream_takeovers_total",
    kind: "counter",
    help: "Times a partition was fenced and its progress read back",
    labels: [],
  }),
  inputGaps: declare({
    name: "lockstep_input_gaps_total",
    kind: "counter",
    help: "Times the log no longer held the next record to read: verify the replicas",
    labels: ["group"],
  }),
  deadLetters: declare({
    name: "lockstep_dead_letters",
    kind: "gauge",
    help: "Open dead letters: not replayed, dropped or superseded; an instance counts those of its partitions",
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
    help: "Records of a partition that the group has not processed; told by who processes them, and by the console, also for those that hang or are away",
    labels: ["group", "partition"],
  }),
  replicaApplied: declare({
    name: "lockstep_replica_events_total",
    kind: "counter",
    help: "Events by what the replica's database made of them",
    labels: ["replica", "outcome"],
  }),
  cacheRequests: declare({
    name: "lockstep_cache_requests_total",
    kind: "counter",
    help: "Reads by entity id, by what the cache said",
    labels: ["replica", "result"],
  }),
  divergentRows: declare({
    name: "lockstep_divergent_rows",
    kind: "gauge",
    help: "Rows that differed from the source, or from their own database in the cache, at the last verification",
    labels: ["replica"],
  }),
  verifiedAt: declare({
    name: "lockstep_verified_timestamp_seconds",
    kind: "gauge",
    help: "When the last verification ended, in seconds since 1970",
    labels: ["replica"],
  }),
  rebuilds: declare({
    name: "lockstep_rebuilds_total",
    kind: "counter",
    help: "Times the replica rebuilt itself, as it was away for longer than the log keeps deletes",
    labels: [],
  }),
  freshReads: declare({
    name: "lockstep_fresh_reads_total",
    kind: "counter",
    help: "Reads with a Sync-Token; fresh: at once, waited: after a wait, behind: refused, as the replica was not there in time",
    labels: ["replica", "outcome"],
  }),
  receiptsDropped: declare({
    name: "lockstep_receipts_dropped_total",
    kind: "counter",
    help: "Receipts that the log did not take; who waits for one of these waits in vain",
    labels: [],
  }),
  confirmations: declare({
    name: "lockstep_confirmations_total",
    kind: "counter",
    help: "Replicas waited for by writes with Prefer: wait; confirmed: in time, behind: not in time, unknown: the gateway could not read receipts",
    labels: ["replica", "outcome"],
  }),
  replayedWrites: declare({
    name: "lockstep_replayed_writes_total",
    kind: "counter",
    help: "Writes that were repeated with their Idempotency-Key, and answered with what the first of them did",
    labels: [],
  }),
  cacheEpoch: declare({
    name: "lockstep_cache_epoch",
    kind: "gauge",
    help: "Epoch of the cache; it rises when cached documents may be stale and are all given up",
    labels: ["replica"],
  }),
  diskFree: declare({
    name: "lockstep_disk_free_bytes",
    kind: "gauge",
    help: "Free bytes of the disk that the service's own folder lies on; only where it has one",
    labels: ["folder"],
  }),
  diskSize: declare({
    name: "lockstep_disk_size_bytes",
    kind: "gauge",
    help: "Size of that disk",
    labels: ["folder"],
  }),
  databaseSize: declare({
    name: "lockstep_database_size_bytes",
    kind: "gauge",
    help: "Bytes that a database takes on its server's disk, by its owner",
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
    help: "Requests that were not let in; missing: no token, scope: a token of somebody who may not, keys: the issuer's were never there",
    labels: ["reason"],
  }),
  poolSize: declare({
    name: "lockstep_database_pool_size_connections",
    kind: "gauge",
    help: "Most connections of a pool to PostgreSQL",
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
    help: "Things that wait in a bounded buffer of the process, by its name",
    labels: ["buffer"],
  }),
  bufferLimit: declare({
    name: "lockstep_buffer_limit_items",
    kind: "gauge",
    help: "Most things that such a buffer holds: what comes then is refused or dropped, as its owner says",
    labels: ["buffer"],
  }),
  spans: declare({
    name: "lockstep_spans_total",
    kind: "counter",
    help: "Spans; exported: a collector took them, unsampled: not to be kept, dropped: nobody took them or the buffer was full",
    labels: ["outcome"],
  }),
  eventLoopLag: declare({
    name: "lockstep_event_loop_lag_seconds",
    kind: "histogram",
    help: "How late a timer of the process fires; four times a second",
    labels: [],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  }),
  heapUsed: declare({
    name: "lockstep_heap_used_bytes",
    kind: "gauge",
    help: "Live memory of the JavaScript engine's heap; the engine does not tell how often it collects",
    labels: [],
  }),
  heapSize: declare({
    name: "lockstep_heap_size_bytes",
    kind: "gauge",
    help: "Memory that the engine's heap takes",
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
    help: "When the process started, in seconds since 1970",
    labels: [],
  }),
  build: declare({
    name: "lockstep_build_info",
    kind: "gauge",
    help: "1, labelled with the version that runs",
    labels: ["version"],
  }),
} as const;
