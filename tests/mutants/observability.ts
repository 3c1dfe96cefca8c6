import type { Mutant } from "./mutant.ts";

/** The guards of logs, metrics and traces. */
export const observabilityMutants: readonly Mutant[] = [
  {
    name: "outage-floods-the-log",
    guard: "An operation that keeps failing warns once a minute.",
    file: "observability/outage.ts",
    from: "const isRepetition = this.attempts > 1 && now - this.lastWarningMs < REMINDER_MS;",
    to: "const isRepetition = false;",
    tests: ["observability/logger.unit.test.ts"],
  },
  {
    name: "log-shows-nested-secrets",
    guard: "P13: a secret below the first level is hidden, too.",
    file: "observability/logger.ts",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template in the product
    from: "`*.${name}`, `*.*.${name}`",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template in the product
    to: "`*.${name}`",
    tests: ["observability/logger.unit.test.ts"],
  },
  {
    name: "rejected-spans-are-sent-again",
    guard: "A batch that the collector rejects is not sent again.",
    file: "observability/send-spans.ts",
    from: 'outcome: isRejection(error) ? "rejected" : "failed"',
    to: 'outcome: isRejection(error) ? "failed" : "failed"',
    tests: ["observability/telemetry.int.test.ts"],
  },
  {
    name: "spans-wait-forever-for-a-collector",
    guard: "P14: a collector that does not respond delays nothing for longer than the limit.",
    file: "observability/send-spans.ts",
    from: "const timer = setTimeout(onTimeout, timeoutMs);",
    to: "const timer = setTimeout(onTimeout, 2 ** 31 - 1);",
    tests: ["observability/send-spans.unit.test.ts"],
  },
  {
    name: "traceparent-of-zeros",
    guard: "A traceparent whose trace id is all zeros counts as missing (W3C Trace Context).",
    file: "observability/traceparent.ts",
    from: "^00-(?!0{32})",
    to: "^00-",
    tests: ["observability/trace.unit.test.ts"],
  },
  {
    name: "span-queue-without-a-limit",
    guard: "P14: an unavailable collector does not fill the memory.",
    file: "observability/span-queue.ts",
    from: "return this.retained === undefined || this.retained.length < MAX_RETAINED;",
    to: "return true;",
    tests: ["observability/collector-outage.int.test.ts"],
  },
  {
    name: "failed-spans-are-dropped",
    guard: "A failed span is exported, whatever the ratio.",
    file: "observability/tail-sampling.ts",
    from: 'if (span.status.code === SpanStatusCode.ERROR) return "failed";',
    to: "",
    tests: ["observability/trace.unit.test.ts"],
  },
  {
    name: "two-metric-exports-at-a-time",
    guard: "A slow collector does not collect requests with metrics.",
    file: "observability/export-metrics.ts",
    from: "inFlight ??= send()",
    to: "inFlight = send()",
    tests: ["observability/export-metrics.unit.test.ts"],
  },
  {
    name: "batch-spans-link-their-parent-twice",
    guard: "A span links each hop of its batch once.",
    file: "observability/batch-spans.ts",
    from: "if (parent && !group.parents.has(parent)) {",
    to: "if (parent) {",
    tests: ["observability/trace.unit.test.ts"],
  },
];
