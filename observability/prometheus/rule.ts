/** Rules as data, before they become YAML. */

/** A recording rule. Its name has the form `labels:metric:operation`, as Prometheus' documentation recommends. */
export interface Recording {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** An alerting rule. */
export interface Alert {
  /** Name without the prefix `Lockstep`. */
  readonly name: string;
  readonly expr: string;
  readonly forSeconds: number;
  /** `page`: an operator must act now. `ticket`: on the next working day. */
  readonly severity: "page" | "ticket";
  readonly labels?: Readonly<Record<string, string>>;
  /** What is wrong, in one line; may contain `{{ $labels.x }}` and `{{ $value }}`. */
  readonly summary: string;
  /** Anchor of its section in docs/operate/runbook.md. */
  readonly section: string;
}

/** The complete name: `LockstepOutboxStalled`. */
export const alertName = ({ name }: Pick<Alert, "name">): string => `Lockstep${name}`;

/** A duration in Prometheus' notation: `90` → `90s`, `300` → `5m`, `3600` → `1h`. */
export function duration(seconds: number): string {
  for (const [unit, size] of [
    ["h", 3_600],
    ["m", 60],
  ] as const)
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}
