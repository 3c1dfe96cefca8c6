/** Rejection → record of the dead-letter topic: original bytes and headers, with reason, stack and position beside them. Pure. */
import { header } from "../contracts/event.ts";
import type { OutgoingRecord, StoredRecord } from "../platform/log/log.ts";
import type { Rejection } from "./validate.ts";

/** Headers of a dead letter beside the original ones. An original header of the same name is kept as `original-<name>`. */
export const deadLetterHeader = {
  reason: "lockstep-reason",
  detail: "lockstep-detail",
  stack: "lockstep-stack",
  topic: "lockstep-topic",
  partition: "lockstep-partition",
  offset: header.inputOffset,
  timestamp: "lockstep-timestamp-ms",
} as const;

const MAX_STACK = 4_000;

export function deadLetterOf(record: StoredRecord, rejection: Rejection): OutgoingRecord {
  const ours: Record<string, string> = {
    [deadLetterHeader.reason]: rejection.reason,
    [deadLetterHeader.detail]: rejection.detail.slice(0, MAX_STACK),
    [deadLetterHeader.stack]: rejection.stack.slice(0, MAX_STACK),
    [deadLetterHeader.topic]: record.topic,
    [deadLetterHeader.partition]: String(record.partition),
    [deadLetterHeader.offset]: String(record.offset),
    [deadLetterHeader.timestamp]: String(record.timestampMs),
  };
  const original = Object.entries(record.rawHeaders).map(([name, value]) => [
    name in ours ? `original-${name}` : name,
    value,
  ]);
  return { key: record.key, value: record.value, headers: { ...Object.fromEntries(original), ...ours } };
}
