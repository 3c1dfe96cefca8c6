/** When an alert fires, as numbers: those of production, and a quick set to try alerts with. Durations are in seconds. */

export interface Thresholds {
  /** What runbook links begin with. Put the address of your own copy here, and make the files anew. */
  readonly runbook: string;
  /** So many of the changes are readable in each store within so long. `withinSeconds` must be a bucket of the histogram. */
  readonly slo: { readonly withinSeconds: number; readonly objective: number };
  readonly outboxOld: { readonly aboveSeconds: number; readonly forSeconds: number };
  /** Windows are compared with the one before: lag that shrinks is no alert, however long it is. */
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

export const production: Thresholds = {
  runbook: "docs/operate/runbook.md",
  // A healthy replica has a change in some ten milliseconds; half a second is what a person begins to notice.
  slo: { withinSeconds: 0.5, objective: 0.99 },
  outboxOld: { aboveSeconds: 30, forSeconds: 60 },
  lagGrowing: { aboveRecords: 1_000, windowSeconds: 300, forSeconds: 300 },
  deadLetters: { forSeconds: 60 },
  divergence: { forSeconds: 0 },
  // Three times LOCKSTEP_VERIFY_EVERY_S: one that was missed is no news.
  verificationOverdue: { afterSeconds: 2_700, forSeconds: 60 },
  canarySilent: { afterSeconds: 60, forSeconds: 60 },
  cacheEpochRising: { times: 3, windowSeconds: 900 },
  cacheBypassed: { share: 0.5, windowSeconds: 300, forSeconds: 300 },
  unavailable: { forSeconds: 60 },
  restarts: { times: 3, windowSeconds: 900 },
  pausedLong: { forSeconds: 3_600 },
  inputGap: { windowSeconds: 3_600 },
  gatewayErrors: { share: 0.05, windowSeconds: 300, forSeconds: 300 },
  // Tokens run out, and clients then come with a new one: some refusals are no news.
  authRefusals: { share: 0.2, windowSeconds: 300, forSeconds: 300 },
  diskLow: { freeShare: 0.1, forSeconds: 300 },
};

/** For trying alerts on a stack by hand or in a test: a fault is told within seconds. */
export const quick: Thresholds = {
  ...production,
  outboxOld: { aboveSeconds: 3, forSeconds: 1 },
  lagGrowing: { aboveRecords: 10, windowSeconds: 5, forSeconds: 1 },
  deadLetters: { forSeconds: 1 },
  canarySilent: { afterSeconds: 15, forSeconds: 1 },
  unavailable: { forSeconds: 3 },
};
