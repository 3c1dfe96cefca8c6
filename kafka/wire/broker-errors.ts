/** The errors of brokers and connections, and the one table that decides which of them are retried. */
import { LockstepError } from "../../contracts/errors.ts";
import { partitionKey } from "../log.ts";

/**
 * What the client does after an error:
 * - `retry`: the error is transient. Send the same request again, perhaps to another broker.
 * - `fenced`: a newer producer of the same name has taken over.
 * - `fatal`: a retry cannot succeed or could do harm.
 */
export type ErrorAction = "retry" | "fenced" | "fatal";

/** Kafka's error codes that this client handles. Every other code is fatal. */
const table = {
  OFFSET_OUT_OF_RANGE: [1, "fatal"],
  CORRUPT_MESSAGE: [2, "retry"],
  UNKNOWN_TOPIC_OR_PARTITION: [3, "retry"],
  LEADER_NOT_AVAILABLE: [5, "retry"],
  NOT_LEADER_OR_FOLLOWER: [6, "retry"],
  REQUEST_TIMED_OUT: [7, "retry"],
  BROKER_NOT_AVAILABLE: [8, "retry"],
  REPLICA_NOT_AVAILABLE: [9, "retry"],
  MESSAGE_TOO_LARGE: [10, "fatal"],
  NETWORK_EXCEPTION: [13, "retry"],
  COORDINATOR_LOAD_IN_PROGRESS: [14, "retry"],
  COORDINATOR_NOT_AVAILABLE: [15, "retry"],
  NOT_COORDINATOR: [16, "retry"],
  RECORD_LIST_TOO_LARGE: [18, "fatal"],
  NOT_ENOUGH_REPLICAS: [19, "retry"],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, "retry"],
  ILLEGAL_GENERATION: [22, "fatal"],
  INCONSISTENT_GROUP_PROTOCOL: [23, "fatal"],
  UNKNOWN_MEMBER_ID: [25, "fatal"],
  INVALID_SESSION_TIMEOUT: [26, "fatal"],
  REBALANCE_IN_PROGRESS: [27, "fatal"],
  TOPIC_AUTHORIZATION_FAILED: [29, "fatal"],
  GROUP_AUTHORIZATION_FAILED: [30, "fatal"],
  TOPIC_ALREADY_EXISTS: [36, "fatal"],
  INVALID_PARTITIONS: [37, "fatal"],
  // The brokers of a new cluster start one after the other.
  INVALID_REPLICATION_FACTOR: [38, "retry"],
  INVALID_CONFIG: [40, "fatal"],
  NOT_CONTROLLER: [41, "retry"],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, "fatal"],
  // The batch is stored, but its offset is unknown.
  DUPLICATE_SEQUENCE_NUMBER: [46, "fatal"],
  INVALID_PRODUCER_EPOCH: [47, "fenced"],
  INVALID_TXN_STATE: [48, "fatal"],
  INVALID_PRODUCER_ID_MAPPING: [49, "fatal"],
  CONCURRENT_TRANSACTIONS: [51, "retry"],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, "fatal"],
  KAFKA_STORAGE_ERROR: [56, "retry"],
  UNKNOWN_PRODUCER_ID: [59, "fatal"],
  LISTENER_NOT_FOUND: [72, "retry"],
  FENCED_LEADER_EPOCH: [74, "retry"],
  UNKNOWN_LEADER_EPOCH: [75, "retry"],
  OFFSET_NOT_AVAILABLE: [78, "retry"],
  MEMBER_ID_REQUIRED: [79, "fatal"],
  FENCED_INSTANCE_ID: [82, "fatal"],
  INVALID_RECORD: [87, "fatal"],
  UNSTABLE_OFFSET_COMMIT: [88, "retry"],
  THROTTLING_QUOTA_EXCEEDED: [89, "retry"],
  PRODUCER_FENCED: [90, "fenced"],
} as const satisfies Record<string, readonly [code: number, action: ErrorAction]>;

type ErrorName = keyof typeof table;

/** Kafka's error codes by name. @see https://kafka.apache.org/protocol#protocol_error_codes */
export const errorCodes = Object.fromEntries(Object.entries(table).map(([name, [code]]) => [name, code])) as {
  readonly [Name in ErrorName]: number;
};

const byCode = new Map<number, readonly [name: string, action: ErrorAction]>(
  Object.entries(table).map(([name, [code, action]]) => [code, [name, action]]),
);

/** Kafka's name of an error code: `MESSAGE_TOO_LARGE`. */
export const errorName = (errorCode: number): string => byCode.get(errorCode)?.[0] ?? `error code ${errorCode}`;

/** A broker responded with an error code. */
export class BrokerError extends LockstepError {
  readonly action: ErrorAction;
  /** @param operation what the client was doing, for the message: "joining group stream". */
  constructor(
    readonly errorCode: number,
    operation: string,
  ) {
    super("BROKER_ERROR", `${operation}: ${errorName(errorCode)}`);
    this.action = byCode.get(errorCode)?.[1] ?? "fatal";
  }
}

/** Does nothing for code 0. @throws {BrokerError} for every other code. */
export function throwOnError(errorCode: number, operation: string): void {
  if (errorCode !== 0) throw new BrokerError(errorCode, operation);
}

/** Does nothing when no partition has an error. @throws {BrokerError} for the first one that has. */
export function throwOnAnyError(
  results: readonly { topic: string; partitionErrors: readonly { partition: number; errorCode: number }[] }[],
  operation: string,
): void {
  for (const { topic, partitionErrors } of results)
    for (const { partition, errorCode } of partitionErrors)
      throwOnError(errorCode, `${operation} on ${partitionKey({ topic, partition })}`);
}

/** No known and reachable broker can serve the request now. Transient. */
export class NoBrokerError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super("NO_BROKER", message, options);
  }
}

/** A connection failed or was closed. The broker may or may not have executed its requests. Transient. */
export class ConnectionError extends LockstepError {
  constructor(message: string, options?: ErrorOptions) {
    super("BROKER_CONNECTION", message, options);
  }
}

/** A connection was closed because a response was overdue. */
export class ResponseTimeoutError extends ConnectionError {}

/** Decides what the client does after `error`. Unknown errors are fatal. */
export function errorAction(error: unknown): ErrorAction {
  if (error instanceof BrokerError) return error.action;
  return error instanceof NoBrokerError || error instanceof ConnectionError ? "retry" : "fatal";
}
