/**
 * Every condition in which something does not flow, or may not flow: what an operator has to know. Services report
 * conditions; `/health/ready`, `lockstep status`, the console, the alerts and the runbook read this list.
 */

/** What is known about a condition before it occurs. */
export interface ConditionDeclaration {
  /** `page`: an operator must act now. `ticket`: on the next working day. */
  readonly severity: "page" | "ticket";
  /** What the condition says, as a sentence for people. */
  readonly means: string;
  /** The first step that ends it. docs/operate/runbook.md has a section with the condition's name. */
  readonly remedy: string;
}

const page = (means: string, remedy: string) => ({ severity: "page" as const, means, remedy });
const ticket = (means: string, remedy: string) => ({ severity: "ticket" as const, means, remedy });

/** All conditions, by name. A unit test compares them with the sections of the runbook. */
export const conditions = {
  "service-down": page("A service does not respond.", "read its log, then restart it"),
  // Gateway and relay: the source.
  "source-unavailable": page("The source's PostgreSQL does not respond.", "start the server, or repair its connection"),
  "source-read-only": page(
    "The source's PostgreSQL rejects writes, because it is read-only.",
    "promote the standby, or end default_transaction_read_only",
  ),
  "writes-failing": page("The gateway answers writes with errors of its own.", "read the gateway's log"),
  overloaded: page("The gateway rejects requests, because it gets more than it can process.", "reduce the load"),
  "receipts-unavailable": ticket(
    "The gateway cannot read receipts, so Prefer: wait answers unknown.",
    "check the gateway's connection to the brokers",
  ),
  "capture-incomplete": page(
    "Changes of a source table are not captured.",
    "run lockstep capture, then lockstep repair",
  ),
  "table-drifted": page(
    "A table lacks a declared column, or has it with another type.",
    "restore the column by a migration, or change the declaration",
  ),
  "outbox-stalled": page("Changes wait in the source's outbox.", "check the relay and the brokers"),
  "rows-set-aside": ticket(
    "The relay has set changes aside, because they cannot be sent.",
    "list them with lockstep dead-letters list; correct the row, or drop them",
  ),
  "events-lost": page(
    "The log has lost changes that the source had handed over.",
    "run lockstep resync: it sends every row again",
  ),
  // The log, as its users see it.
  "log-unavailable": page("The brokers do not respond.", "start the brokers, or repair the connection"),
  "records-lost": page(
    "A topic has lost records that the stream had written.",
    "run lockstep resync: it sends every row again",
  ),
  "partition-stalled": page(
    "A partition has unread records, and its consumer makes no progress.",
    "read the consumer's log, then restart it",
  ),
  "lag-growing": ticket("A consumer falls behind.", "compare its load with its capacity; start another instance"),
  paused: ticket("An operator has paused the service.", "run lockstep resume"),
  "dead-letters-open": ticket(
    "Events could not be processed, and no newer state has replaced them.",
    "list them with lockstep dead-letters list; correct the cause and replay, or drop them",
  ),
  // Replicas.
  "database-unavailable": page("The replica's PostgreSQL does not respond.", "start the server, or its connection"),
  "database-read-only": page(
    "The replica's PostgreSQL rejects writes, because it is read-only.",
    "promote the standby, or end default_transaction_read_only",
  ),
  "table-rejects": page("A table of the replica accepts no row.", "repair its schema or its permissions"),
  "log-incomplete": page(
    "The log cannot account for rows of the replica, which serves what it has.",
    "run lockstep resync: it sends every row again and compares",
  ),
  rebuilding: ticket("The replica is being rebuilt from the log.", "wait until the rebuild ends"),
  "cache-off": ticket("Reads bypass the cache.", "start Redis, or repair its connection"),
  "replica-empty": page(
    "The source has rows, and the replica has none.",
    "run lockstep resync: it sends every row again and compares",
  ),
  // Verification.
  "replica-differs": page("The last verification found differences.", "run lockstep repair"),
  "verification-stale": ticket("The last verification is too old.", "run lockstep verify"),
  "not-verified": ticket("A replica was never completely compared with the source.", "run lockstep verify"),
  // Everything.
  "status-unknown": ticket(
    "A part of the system could not be read, so its conditions are not known.",
    "restore the access that the detail names",
  ),
  // Authorization.
  "signing-keys-unavailable": page(
    "The issuer's keys could not be fetched.",
    "check LOCKSTEP_AUTH_JWKS and the issuer",
  ),
} as const satisfies Readonly<Record<string, ConditionDeclaration>>;

/**
 * Time without progress after which a partition with unread records, or a change in the outbox, counts as stalled, in
 * milliseconds.
 */
export const STALLED_MS = 10_000;

/** Name of a condition, as in `/health/ready`, metrics, alerts and the runbook. */
export type ConditionName = keyof typeof conditions;

/** The names of all conditions. */
export const conditionNames = Object.keys(conditions) as readonly ConditionName[];
