/** One letter whole. */
import { decodeDeadLetterOrMark, originalOf, reasons } from "../../contracts/dead-letter.ts";
import { deadLetterTopic } from "../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { table } from "../../platform/table.ts";
import { type EventView, viewEvent } from "./event-view.ts";
import { toListItem } from "./list.ts";
import type { DeadLetterEntry } from "./read-dead-letters.ts";

export interface DeadLetterDetails extends ReturnType<typeof toListItem> {
  readonly means: string;
  readonly remedy: string;
  readonly stack: string;
  /** The original ones, read as UTF-8. */
  readonly headers: Readonly<Record<string, string>>;
  readonly key: string | null;
  readonly bytes: number | null;
  readonly event: EventView;
  /** The whole value as text; only when revealed. */
  readonly value?: string | null;
}

/** The record of a letter. @throws {Error} when it has expired meanwhile. */
export async function readRecord(
  log: Log,
  { entity, partition, offset, name }: DeadLetterEntry,
): Promise<StoredRecord> {
  const at = { topic: deadLetterTopic(entity).name, partition };
  for await (const [record] of log.read(at, offset, offset + 1)) if (record) return record;
  throw new Error(`${name} is no longer kept`);
}

export async function readDetails(log: Log, found: DeadLetterEntry, reveal: boolean): Promise<DeadLetterDetails> {
  const record = await readRecord(log, found);
  const original = originalOf(record);
  const decoded = decodeDeadLetterOrMark(record);
  const stack = decoded && "letter" in decoded ? decoded.letter.stack : "";
  const detail = decoded && "letter" in decoded ? decoded.letter.detail : "";
  const { means, remedy } = reasons[found.deadLetter.reason];
  return {
    ...toListItem(found),
    detail,
    means,
    remedy,
    stack,
    headers: Object.fromEntries(Object.entries(original.headers).map(([name, bytes]) => [name, bytes.toString()])),
    key: original.key?.toString() ?? null,
    bytes: original.value?.length ?? null,
    event: viewEvent(found.entity, found.deadLetter.replica, original, reveal),
    ...(reveal ? { value: original.value?.toString() ?? null } : {}),
  };
}

export function detailsText(shown: DeadLetterDetails): string {
  const { event, headers } = shown;
  const fields = event.fields.map(({ field, value, expected, problem }) => [
    problem ? "✗" : " ",
    field,
    (value ?? "(missing)").slice(0, 60),
    (expected ?? "(not declared)").slice(0, 60),
    problem ?? "",
  ]);
  return [
    `${shown.origin}: ${shown.state}`,
    `${shown.reason}: ${shown.means}`,
    `  ${shown.detail}`,
    `  what to do: ${shown.remedy}`,
    `${shown.entity} ${shown.id ?? "(no id)"} version ${shown.version ?? "?"}, ${shown.replica ? `replica ${shown.replica}` : "rejected by the stream"}`,
    `written ${shown.writtenAt}, dead since ${shown.deadAt}${shown.replayOf ? `, replay of ${shown.replayOf}` : ""}`,
    "",
    `key: ${shown.key ?? "none"}    value: ${shown.bytes === null ? "none" : `${shown.bytes} bytes`}`,
    ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`),
    "",
    event.unreadable ?? table([["", "FIELD", "VALUE", "EXPECTED", "PROBLEM"], ...fields]),
    ...(shown.value === undefined ? [] : ["", shown.value ?? "none"]),
    "",
    shown.stack,
  ].join("\n");
}
