/** Shows one dead letter with its original record. */
import { decodeDeadLetterOrMark, originalRecord } from "../../contracts/dead-letter.ts";
import { deadLetterReasons } from "../../contracts/dead-letter-reasons.ts";
import { deadLetterTopic } from "../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { table } from "../../platform/table.ts";
import type { VerbContext } from "../verb.ts";
import type { DeadLetterEntry, ListedEntry } from "./dead-letter-index.ts";
import { type Content, viewEvent } from "./event-view.ts";
import { toListItem } from "./list.ts";
import { isSetAside } from "./set-aside.ts";
import { readSetAsideContent } from "./show-set-aside.ts";

/** One dead letter in the JSON output of `show`. */
export interface DeadLetterDetails extends ReturnType<typeof toListItem>, Content {
  readonly detail: string;
  /** What the reason means. */
  readonly means: string;
  /** What makes a replay succeed. */
  readonly remedy: string;
}

/** Reads the record of a dead letter. @throws {Error} when it has expired, or the log is unavailable. */
async function readRecord(log: Log, { entity, partition, offset, name }: DeadLetterEntry): Promise<StoredRecord> {
  const source = { topic: deadLetterTopic(entity).name, partition };
  for await (const [record] of log.read(source, offset, offset + 1)) if (record) return record;
  throw new Error(`dead letter ${name} has expired: its record is no longer in ${source.topic}`);
}

/**
 * Reads the content of a dead letter, or of a change that is set aside, and compares it with the declaration.
 *
 * @param reveal includes private values and the raw value.
 * @throws {Error} when it is gone, or the log or the source is unavailable.
 */
export async function readDetails(
  { connections, project }: Pick<VerbContext, "connections" | "project">,
  entry: ListedEntry,
  reveal: boolean,
): Promise<DeadLetterDetails> {
  const content = isSetAside(entry)
    ? await readSetAsideContent(connections.source(), project, entry, reveal)
    : await readContent(await connections.log(), entry as DeadLetterEntry, reveal);
  const { means, remedy } = deadLetterReasons[entry.deadLetter.reason];
  return { ...toListItem(entry), means, remedy, ...content };
}

async function readContent(log: Log, entry: DeadLetterEntry, reveal: boolean): Promise<Content> {
  const record = await readRecord(log, entry);
  const original = originalRecord(record);
  const decoded = decodeDeadLetterOrMark(record);
  const { detail, stack } = decoded && "deadLetter" in decoded ? decoded.deadLetter : { detail: "", stack: "" };
  return {
    detail,
    stack,
    headers: Object.fromEntries(Object.entries(original.headers).map(([name, bytes]) => [name, bytes.toString()])),
    key: original.key?.toString() ?? null,
    bytes: original.value?.length ?? null,
    event: viewEvent(entry.entity, entry.deadLetter.replica, original, reveal),
    ...(reveal ? { value: original.value?.toString() ?? null } : {}),
  };
}

/** A dead letter for people. */
export function detailsText(details: DeadLetterDetails): string {
  const { event, headers, entity, id, version, rejectedBy: by, replica, replayOf } = details;
  const fields = event.fields.map(({ field, value, expected, problem }) => [
    problem ? "✗" : " ",
    field,
    (value ?? "(missing)").slice(0, 60),
    (expected ?? "(not declared)").slice(0, 60),
    problem ?? "",
  ]);
  const rejectedBy = replica ? `rejected by replica ${replica}` : `rejected by the ${by}`;
  return [
    `${details.origin}: ${details.state}`,
    `${details.reason}: ${details.means}`,
    `  ${details.detail}`,
    `  what to do: ${details.remedy}`,
    `${entity} ${id ?? "(no id)"} version ${version ?? "?"}, ${rejectedBy}`,
    `written ${details.writtenAt}, dead letter since ${details.deadAt}${replayOf ? `, replay of ${replayOf}` : ""}`,
    "",
    `key: ${details.key ?? "none"}    value: ${details.bytes === null ? "none" : `${details.bytes} bytes`}`,
    ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`),
    "",
    event.unreadable ?? table([["", "FIELD", "VALUE", "EXPECTED", "PROBLEM"], ...fields]),
    ...(details.value === undefined ? [] : ["", details.value ?? "none"]),
    "",
    details.stack,
  ].join("\n");
}
