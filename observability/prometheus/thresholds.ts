/** Thresholds of the alerts: for production, and shorter ones for tests. */

/** One member per alert. `forSeconds`: how long the condition must hold before the alert fires. */
export interface Thresholds {
  /** Prefix of the runbook links. Set the address of your own copy here, then run `bun run observability`. */
  readonly runbook: string;
  /**
   * Ratio of changes (`objective`) that become readable within `withinSeconds`, which must be a bucket of the
   * histogram.
   */
  readonly slo: { readonly withinSeconds: number; readonly objective: number };
  readonly outboxOld: { readonly aboveSeconds: number; readonly forSeconds: number };
  /** The lag is compared with its value one window ago: a lag that shrinks is no alert. */
  readonly lagGrowing: { readonly aboveRecords: number; readonly windowSeconds: number; readonly forSeconds: number };
  readonly deadLetters: { readonly forSeconds: number };
  readonly divergence: { readonly forSeconds: number };
  readonly verificationOverdue: { readonly afterSeconds: number; readonly forSeconds: number };
  readonly canarySilent: { readonly afterSeconds: number; readonly forSeconds: number };
  readonly cacheEpochRising: { readonly times: number; readonly windowSeconds: number };
  readonly cacheBypassed: { readonly share: number; readonly windowSeconds: number; readonly forSeconds: number };
  readonly unavailable: { readonly forSeconds: number };
  readonly restarts: { readonly times: number; readonly windowSeconds: number };
  readonly pausedLong: { readonly forSeconds: number };
  readonly inputGap: { readonly windowSeconds: number };
  readonly gatewayErrors: { readonly share: number; readonly windowSeconds: number; readonly forSeconds: number };
  readonly authRefusals: { readonly share: number; readonly windowSeconds: number; readonly forSeconds: number };
  readonly diskLow: { readonly freeShare: number; readonly forSeconds: number };
}

/** For production. */
export const production: Thresholds = {
  runbook: "docs/operate/runbook.md",
  // A healthy replica applies a change within tens of milliseconds. A person notices half a second.
  slo: { withinSeconds: 0.5, objective: 0.99 },
  outboxOld: { aboveSeconds: 30, forSeconds: 60 },
  lagGrowing: { aboveRecords: 1_000, windowSeconds: 300, forSeconds: 300 },
  deadLetters: { forSeconds: 60 },
  divergence: { forSeconds: 0 },
  // Three times LOCKSTEP_VERIFY_EVERY_S, so one missed verification causes no alert.
  verificationOverdue: { afterSeconds: 2_700, forSeconds: 60 },
  canarySilent: { afterSeconds: 60, forSeconds: 60 },
  cacheEpochRising: { times: 3, windowSeconds: 900 },
  cacheBypassed: { share: 0.5, windowSeconds: 300, forSeconds: 300 },
  unavailable: { forSeconds: 60 },
  restarts: { times: 3, windowSeconds: 900 },
  pausedLong: { forSeconds: 3_600 },
  inputGap: { windowSeconds: 3_600 },
  gatewayErrors: { share: 0.05, windowSeconds: 300, forSeconds: 300 },
  // Tokens expire and clients then renew them, so some rejections are normal.
  authRefusals: { share: 0.2, windowSeconds: 300, forSeconds: 300 },
  diskLow: { freeShare: 0.1, forSeconds: 300 },
};

/** For tests and demonstrations: alerts fire within seconds. */
export const quick: Thresholds = {
  ...production,
  outboxOld: { aboveSeconds: 3, forSeconds: 1 },
  lagGrowing: { aboveRecords: 10, windowSeconds: 5, forSeconds: 1 },
  deadLetters: { forSeconds: 1 },
  canarySilent: { afterSeconds: 15, forSeconds: 1 },
  unavailable: { forSeconds: 3 },
};
