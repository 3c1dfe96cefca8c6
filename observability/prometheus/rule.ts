/** What a rule is, before it is written as YAML. */

/** A series that is worked out beforehand. Its name says `labels:metric:operation`, as Prometheus' documentation advises. */
export interface Recording {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Alert {
  /** In one word; `Lockstep` is put before it. */
  readonly name: string;
  readonly expr: string;
  readonly forSeconds: number;
  /** `page`: somebody should look now; `ticket`: on the next working day. */
  readonly severity: "page" | "ticket";
  readonly labels?: Readonly<Record<string, string>>;
  /** What is so, in one line; may use `{{ $labels.x }}` and `{{ $value }}`. */
  readonly summary: string;
  /** Heading in docs/operate/runbook.md, as it stands in a link. */
  readonly section: string;
}

export const alertName = ({ name }: Pick<Alert, "name">): string => `Lockstep${name}`;

/** `90` → `90s`, `300` → `5m`, `3600` → `1h`: as Prometheus writes durations. */
export function duration(seconds: number): string {
  for (const [unit, size] of [
    ["h", 3_600],
    ["m", 60],
  ] as const)
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}
