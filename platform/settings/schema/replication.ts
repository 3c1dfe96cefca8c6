/** Settings: how changes travel from the source to the replicas. */
import { setting, wholeNumber } from "./setting.ts";

/** Topics, relay, sessions and waits. */
export const replication = {
  LOCKSTEP_PARTITIONS: setting(
    wholeNumber(1, 256, 4),
    "Partitions of each topic that Lockstep creates. Existing topics must have the same number",
  ),
  LOCKSTEP_REPLICATION_FACTOR: setting(
    wholeNumber(1, 7, 1),
    "Copies of each partition of a topic that Lockstep creates",
  ),
  LOCKSTEP_MIN_IN_SYNC: setting(
    wholeNumber(1, 7, 1),
    "Copies that must have stored a record before it is acknowledged",
  ),
  LOCKSTEP_SESSION_TIMEOUT_MS: setting(
    wholeNumber(6_000, 1_800_000, 10_000),
    "Time without a heartbeat after which other instances take over the partitions of a stream or replica process, in milliseconds",
  ),
  LOCKSTEP_RELAY_BATCH: setting(
    wholeNumber(1, 20_000, 1000),
    "Largest number of changes that the relay reads from the outbox at a time",
  ),
  LOCKSTEP_RELAY_POLL_MS: setting(
    wholeNumber(5, 60_000, 250),
    "Interval at which an idle relay checks the outbox without a notification, in milliseconds",
  ),
  LOCKSTEP_CANARY_EVERY_S: setting(
    wholeNumber(0, 3_600, 5),
    "Interval at which the relay writes a canary, in seconds. Canaries measure the latency of an idle system; 0 disables them",
  ),
  LOCKSTEP_READ_WAIT_MS: setting(
    wholeNumber(0, 600_000, 1_000),
    "Default time that a read with a Sync-Token waits for its replica, in milliseconds. A client sets its own with Prefer: wait=N",
  ),
  LOCKSTEP_MAX_WAIT_MS: setting(
    wholeNumber(0, 600_000, 10_000),
    "Longest time that a client may ask a read or write to wait (Prefer: wait=N), in milliseconds",
  ),
  LOCKSTEP_IDEMPOTENCY_HOURS: setting(
    wholeNumber(1, 8_760, 24),
    "Time that the gateway stores an Idempotency-Key with the response to its request, in hours",
  ),
} as const;
