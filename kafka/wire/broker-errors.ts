/** What went wrong between us and a broker, and whether the same request may be sent again. */
import { LockstepError } from "../../contracts/errors.ts";

/**
 * What an error means for the request that met it:
 * - `retry`: it may pass; ask again, perhaps another broker;
 * - `fenced`: a newer producer of the same name has taken over;
 * - `fatal`: asking again cannot help, or could do harm.
 */
export type ErrorAction = "retry" | "fenced" | "fatal";

/** Kafka's error codes that we meet. What is not in this table is fatal. @see https://kafka.apache.org/protocol#protocol_error_codes */
const table: Readonly<Record<number, readonly [name: string, verdict: ErrorAction]>> = {
  1: ["OFFSET_OUT_OF_RANGE", "fatal"],
  2: ["CORRUPT_MESSAGE", "retry"],
  3: ["UNKNOWN_TOPIC_OR_PARTITION", "retry"],
  5: ["LEADER_NOT_AVAILABLE", "retry"],
  6: ["NOT_LEADER_OR_FOLLOWER", "retry"],
  7: ["REQUEST_TIMED_OUT", "retry"],
  8: ["BROKER_NOT_AVAILABLE", "retry"],
  9: ["REPLICA_NOT_AVAILABLE", "retry"],
  10: ["MESSAGE_TOO_LARGE", "fatal"],
  13: ["NETWORK_EXCEPTION", "retry"],
  14: ["COORDINATOR_LOAD_IN_PROGRESS", "retry"],
  15: ["COORDINATOR_NOT_AVAILABLE", "retry"],
  16: ["NOT_COORDINATOR", "retry"],
  18: ["RECORD_LIST_TOO_LARGE", "fatal"],
  19: ["NOT_ENOUGH_REPLICAS", "retry"],
  20: ["NOT_ENOUGH_REPLICAS_AFTER_APPEND", "retry"],
  22: ["ILLEGAL_GENERATION", "fatal"],
  23: ["INCONSISTENT_GROUP_PROTOCOL", "fatal"],
  25: ["UNKNOWN_MEMBER_ID", "fatal"],
  26: ["INVALID_SESSION_TIMEOUT", "fatal"],
  27: ["REBALANCE_IN_PROGRESS", "fatal"],
  29: ["TOPIC_AUTHORIZATION_FAILED", "fatal"],
  30: ["GROUP_AUTHORIZATION_FAILED", "fatal"],
  36: ["TOPIC_ALREADY_EXISTS", "fatal"],
  37: ["INVALID_PARTITIONS", "fatal"],
  // Brokers of a new cluster come up one after the other.
  38: ["INVALID_REPLICATION_FACTOR", "retry"],
  40: ["INVALID_CONFIG", "fatal"],
  41: ["NOT_CONTROLLER", "retry"],
  45: ["OUT_OF_ORDER_SEQUENCE_NUMBER", "fatal"],
  // The batch is stored, but no one can say where: nothing can be built on that.
  46: ["DUPLICATE_SEQUENCE_NUMBER", "fatal"],
  47: ["INVALID_PRODUCER_EPOCH", "fenced"],
  48: ["INVALID_TXN_STATE", "fatal"],
  49: ["INVALID_PRODUCER_ID_MAPPING", "fatal"],
  51: ["CONCURRENT_TRANSACTIONS", "retry"],
  53: ["TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "fatal"],
  56: ["KAFKA_STORAGE_ERROR", "retry"],
  59: ["UNKNOWN_PRODUCER_ID", "fatal"],
  72: ["LISTENER_NOT_FOUND", "retry"],
  74: ["FENCED_LEADER_EPOCH", "retry"],
  75: ["UNKNOWN_LEADER_EPOCH", "retry"],
  78: ["OFFSET_NOT_AVAILABLE", "retry"],
  79: ["MEMBER_ID_REQUIRED", "fatal"],
  82: ["FENCED_INSTANCE_ID", "fatal"],
  87: ["INVALID_RECORD", "fatal"],
  88: ["UNSTABLE_OFFSET_COMMIT", "retry"],
  89: ["THROTTLING_QUOTA_EXCEEDED", "retry"],
  90: ["PRODUCER_FENCED", "fenced"],
};

/** A broker answered with an error code. */
export class BrokerError extends LockstepError {
  readonly action: ErrorAction;
  constructor(
    readonly errorCode: number,
    where: string,
  ) {
    const [name, action] = table[errorCode] ?? [`error code ${errorCode}`, "fatal"];
    super("BROKER_ERROR", `${where}: ${name}`);
    this.action = action;
  }
}

/** Throws unless `code` is 0. @throws {BrokerError} */
export function throwOnError(code: number, where: string): void {
  if (code !== 0) throw new BrokerError(code, where);
}

/** No broker that can serve the request is known or reachable now. */
export class NoBrokerError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super("NO_BROKER", message, options);
  }
}

/** kafkajs' errors of a connection: the request may or may not have been carried out. */
const connectionErrors = new Set([
  "KafkaJSConnectionError",
  "KafkaJSConnectionClosedError",
  "KafkaJSRequestTimeoutError",
  "KafkaJSLockTimeout",
]);

export function errorAction(error: unknown): ErrorAction {
  if (error instanceof BrokerError) return error.action;
  if (error instanceof NoBrokerError) return "retry";
  return error instanceof Error && connectionErrors.has(error.name) ? "retry" : "fatal";
}
