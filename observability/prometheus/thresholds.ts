/** Thresholds of the alerts: for production, and shorter ones for tests. */

import { type ConditionName, conditionNames } from "../../contracts/conditions.ts";

/** `forSeconds`: how long an alert's expression must hold before the alert fires. */
export interface Thresholds {
  /** Prefix of the runbook links. Set the address of your own copy here, then run `bun run observability`. */
  readonly runbook: string;
  /**
   * Ratio of changes (`objective`) that become readable within `withinSeconds`, which must be a bucket of the
   * histogram.
   */
  readonly slo: { readonly withinSeconds: number; readonly objective: number };
  /** How long each condition must be present before its alert fires, in seconds. */
  readonly conditionSeconds: Readonly<Record<ConditionName, number>>;
  readonly canarySilent: { readonly afterSeconds: number; readonly forSeconds: number };
  readonly cacheEpochRising: { readonly times: number; readonly windowSeconds: number };
  readonly restarts: { readonly times: number; readonly windowSeconds: number };
  readonly inputGap: { readonly windowSeconds: number };
  readonly gatewayErrors: { readonly share: number; readonly windowSeconds: number; readonly forSeconds: number };
  readonly authRefusals: { readonly share: number; readonly windowSeconds: number; readonly forSeconds: number };
  readonly diskLow: { readonly freeShare: number; readonly forSeconds: number };
}

const conditionSeconds: Thresholds["conditionSeconds"] = {
  "service-down": 60,
  "source-unavailable": 30,
  "source-read-only": 30,
  "writes-failing": 30,
  overloaded: 120,
  "receipts-unavailable": 300,
  "capture-incomplete": 0,
  // A large transaction and a catch-up after a restart end by themselves.
  "outbox-stalled": 60,
  "rows-set-aside": 60,
  "events-lost": 0,
  "log-unavailable": 30,
  "records-lost": 0,
  // Longer than a rebalance after a process was killed.
  "partition-stalled": 60,
  "lag-growing": 300,
  paused: 3_600,
  "dead-letters-open": 60,
  "database-unavailable": 30,
  "database-read-only": 30,
  "table-rejects": 30,
  "table-drifted": 30,
  "log-incomplete": 0,
  rebuilding: 3_600,
  "cache-off": 300,
  "replica-empty": 60,
  "replica-differs": 0,
  "verification-stale": 60,
  "not-verified": 900,
  "status-unknown": 300,
  "signing-keys-unavailable": 60,
};

/** For production. */
export const production: Thresholds = {
  runbook: "docs/operate/runbook.md",
  // A healthy replica applies a change within tens of milliseconds. A person notices half a second.
  slo: { withinSeconds: 0.5, objective: 0.99 },
  conditionSeconds,
  canarySilent: { afterSeconds: 60, forSeconds: 60 },
  cacheEpochRising: { times: 3, windowSeconds: 900 },
  restarts: { times: 3, windowSeconds: 900 },
  inputGap: { windowSeconds: 3_600 },
  gatewayErrors: { share: 0.05, windowSeconds: 300, forSeconds: 300 },
  // Tokens expire and clients then renew them, so some rejections are normal.
  authRefusals: { share: 0.2, windowSeconds: 300, forSeconds: 300 },
  diskLow: { freeShare: 0.1, forSeconds: 300 },
};

/** For tests and demonstrations: alerts fire within seconds. */
export const quick: Thresholds = {
  ...production,
  conditionSeconds: {
    ...(Object.fromEntries(conditionNames.map((condition) => [condition, 0])) as typeof conditionSeconds),
    "service-down": 1,
  },
  canarySilent: { afterSeconds: 15, forSeconds: 1 },
};
