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
  /** Set: an observation may have a trace id as its exemplar (OpenMetrics). */
  readonly exemplars?: true;
}

const counter = (name: string, help: string, labels: readonly string[] = []) =>
  ({ name, kind: "counter", help, labels }) as const;
const gauge = (name: string, help: string, labels: readonly string[] = []) =>
  ({ name, kind: "gauge", help, labels }) as const;
const histogram = <const Options extends Pick<MetricDeclaration, "buckets" | "exemplars">>(
  name: string,
  help: string,
  labels: readonly string[],
  options: Options,
) => ({ name, kind: "histogram", help, labels, ...options }) as const;

const latencyBuckets = [0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** All metrics. */
export const metrics = {
  syncLatency: histogram(
    "lockstep_sync_latency_seconds",
    "Time from the commit in the source until the replica's store can read the change",
    ["replica", "store"],
    { buckets: latencyBuckets, exemplars: true },
  ),
  canaryLatency: histogram(
    "lockstep_canary_latency_seconds",
    "Sync latency of the canary, which the relay writes every few seconds: the latency of an idle system",
    ["replica", "store"],
    { buckets: latencyBuckets, exemplars: true },
  ),
  canarySeen: gauge(
    "lockstep_canary_timestamp_seconds",
    "Commit time of the newest canary in the replica's store, in seconds since 1970",
    ["replica", "store"],
  ),
  canaryWrites: counter("lockstep_canary_writes_total", "Canary writes of the leading relay, by outcome", ["outcome"]),
  outboxDepth: gauge("lockstep_outbox_depth", "Changes that the log has not acknowledged yet"),
  outboxOldestAge: gauge(
    "lockstep_outbox_oldest_age_seconds",
    "Age of the oldest change that the log has not acknowledged yet",
  ),
  setAsideRows: gauge(
    "lockstep_set_aside_rows",
    "Entities whose newest change the relay has set aside, because it cannot be sent",
  ),
  relayPublished: counter(
    "lockstep_relay_published_total",
    "Changes that the relay published and the log acknowledged",
  ),
  relayRecovered: counter(
    "lockstep_relay_recovered_total",
    "Changes that the relay found in the log after a takeover or an unknown outcome, and did not publish again",
  ),
  streamEvents: counter(
    "lockstep_stream_events_total",
    "Events by the decision of the stream; filtered: valid and fresh, but no replica's filter matches",
    ["outcome"],
  ),
  streamTakeovers: counter(
    "lockstep_stream_takeovers_total",
    "Takeovers of a partition: the stream fenced earlier writers and read back their progress",
  ),
  inputGaps: counter(
    "lockstep_input_gaps_total",
    "Gaps in the input: the log had deleted the next record before it was read; verify the replicas",
    ["group"],
  ),
  deadLetters: gauge(
    "lockstep_dead_letters",
    "Open dead letters: not replayed, dropped or superseded; each instance counts those of its partitions",
  ),
  paused: gauge("lockstep_paused", "1 while an operator has paused this service, else 0"),
  consumerLag: gauge(
    "lockstep_consumer_lag",
    "Records of a partition that the consumer group has not processed; the console reports it, too",
    ["group", "partition"],
  ),
  replicaApplied: counter("lockstep_replica_events_total", "Events by their result in the replica's database", [
    "replica",
    "outcome",
  ]),
  hookCalls: counter(
    "lockstep_replica_hook_calls_total",
    "Changes for which the replica called its onApplied: succeeded at once, retried before it succeeded, or failed",
    ["replica", "outcome"],
  ),
  cacheRequests: counter("lockstep_cache_requests_total", "Reads by entity id, by cache result", ["replica", "result"]),
  divergentRows: gauge(
    "lockstep_divergent_rows",
    "Rows that differed at the last verification: the replica's from the source, or the cache's from the replica",
    ["replica"],
  ),
  verifiedAt: gauge("lockstep_verified_timestamp_seconds", "End of the last verification, in seconds since 1970", [
    "replica",
  ]),
  rebuilds: counter(
    "lockstep_rebuilds_total",
    "Rebuilds of the replica because it was stopped for longer than the log keeps deletes",
  ),
  freshReads: counter(
    "lockstep_fresh_reads_total",
    "Reads with a Sync-Token; fresh: without a wait, waited: after a wait, behind: not in time, rejected",
    ["replica", "outcome"],
  ),
  brokerRequests: counter(
    "lockstep_broker_requests_total",
    "Requests that the process sent to brokers, by Kafka's name",
    ["request"],
  ),
  receiptsDropped: counter(
    "lockstep_receipts_dropped_total",
    "Receipts that could not be written to the log; waiting writes report these replicas as behind",
  ),
  confirmations: counter(
    "lockstep_confirmations_total",
    "Waits for a replica (Prefer: wait); confirmed: in time, behind: not in time, unknown: receipts not readable",
    ["replica", "outcome"],
  ),
  replayedWrites: counter(
    "lockstep_replayed_writes_total",
    "Writes that were repeated with their Idempotency-Key and got the result of the first request",
  ),
  cacheEpoch: gauge(
    "lockstep_cache_epoch",
    "Epoch of the cache; it rises when cached documents may be stale, and invalidates all of them",
    ["replica"],
  ),
  diskFree: gauge(
    "lockstep_disk_free_bytes",
    "Free bytes of the disk with the service's data folder, for services that have one",
    ["folder"],
  ),
  diskSize: gauge("lockstep_disk_size_bytes", "Size of the disk with the service's data folder", ["folder"]),
  databaseSize: gauge(
    "lockstep_database_size_bytes",
    "Size of a database on its server's disk, by the service that owns it",
    ["owner"],
  ),
  httpRequests: histogram(
    "http_server_request_duration_seconds",
    "Duration of HTTP requests (OpenTelemetry semantic conventions)",
    ["http_request_method", "http_route", "http_response_status_code"],
    { buckets: latencyBuckets, exemplars: true },
  ),
  authRefusals: counter(
    "lockstep_auth_refusals_total",
    "Requests rejected by authorization; missing: no token, scope: scope not granted, keys: no keys of the issuer",
    ["reason"],
  ),
  poolSize: gauge("lockstep_database_pool_size_connections", "Maximum connections of a pool to PostgreSQL", ["pool"]),
  poolUsed: gauge("lockstep_database_pool_used_connections", "Connections of a pool that run a statement", ["pool"]),
  poolWaiting: gauge("lockstep_database_pool_waiting_statements", "Statements that wait for a connection of a pool", [
    "pool",
  ]),
  bufferItems: gauge("lockstep_buffer_items", "Items in a bounded buffer of the process, by the buffer's name", [
    "buffer",
  ]),
  bufferLimit: gauge(
    "lockstep_buffer_limit_items",
    "Maximum items of a bounded buffer; further items are rejected or dropped",
    ["buffer"],
  ),
  spans: counter(
    "lockstep_spans_total",
    "Spans; exported: accepted by the collector, unsampled: not selected, dropped: rejected or buffer full",
    ["outcome"],
  ),
  eventLoopLag: histogram(
    "lockstep_event_loop_lag_seconds",
    "Delay of a timer of the process, measured four times a second",
    [],
    { buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] },
  ),
  heapUsed: gauge(
    "lockstep_heap_used_bytes",
    "Live memory in the JavaScript engine's heap; the engine does not report its garbage collections",
  ),
  heapSize: gauge("lockstep_heap_size_bytes", "Memory reserved for the JavaScript engine's heap"),
  residentMemory: gauge("process_resident_memory_bytes", "Resident memory"),
  cpuTime: counter("process_cpu_seconds_total", "User and system CPU time"),
  startTime: gauge("process_start_time_seconds", "Start of the process, in seconds since 1970"),
  condition: gauge(
    "lockstep_condition",
    "1 while the service reports this condition (contracts/conditions.ts), else 0",
    ["condition"],
  ),
  build: gauge("lockstep_build_info", "Always 1, labelled with the running version", ["version"]),
} as const satisfies Readonly<Record<string, MetricDeclaration>>;
