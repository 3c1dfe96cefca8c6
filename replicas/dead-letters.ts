/**
 * Step *dead letters*: writes rejected records to `<plural>.dead-letter`. The batch counts as processed only when they
 * are stored; otherwise the log delivers it again.
 */
import { type DeadLetterCause, encodeDeadLetter } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { UpcastError } from "../contracts/entity/upcast.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import type { Log, LogWriter, StoredRecord, TopicPartition } from "../kafka/log.ts";
import type { Rejection } from "./apply/rejection-tracker.ts";

/** Brokers forget a writer that is idle for a day, so a new one is opened before that (`LogWriter.openedAtMs`). */
const RENEW_MS = 12 * 60 * 60 * 1_000;

/** A record that becomes a dead letter. */
export interface RejectedRecord {
  readonly record: StoredRecord;
  readonly cause: DeadLetterCause;
}

/** Dead letters of rejected records, in the order in which the records stand in their partition. */
export const encodeDeadLetters = (rejected: readonly RejectedRecord[]): ReturnType<typeof encodeDeadLetter>[] =>
  rejected
    .toSorted((a, b) => a.record.offset - b.record.offset)
    .map(({ record, cause }) => encodeDeadLetter(record, cause));

/** Writes one process' dead letters and marks. Opens its log writer with the first write. */
export class DeadLetterWriter {
  private writer: LogWriter | undefined;
  private opening: Promise<LogWriter> | undefined;

  /** @param writerName unique to the process: two writers of one name fence each other. */
  constructor(
    private readonly log: Log,
    private readonly entities: readonly EntityDeclaration[],
    private readonly writerName: string,
  ) {}

  /**
   * Resolves when the messages are stored.
   *
   * @param partition of the records; their dead letters go to the partition of the same number.
   * @throws {WriterDeadError} when the outcome is unknown. Writing them again is harmless: readers fold dead letters by
   * origin.
   */
  async write(
    entity: EntityDeclaration,
    partition: number,
    messages: readonly ReturnType<typeof encodeDeadLetter>[],
  ): Promise<void> {
    const writer = await this.openWriter();
    await writer.write({ topic: deadLetterTopic(entity).name, partition }, messages);
  }

  /** Closes the log writer. */
  async close(): Promise<void> {
    await this.opening?.catch(() => {});
    await this.writer?.close();
  }

  /** Opens the writer for the first message only, because opening costs a fence in every partition. */
  private openWriter(): Promise<LogWriter> {
    const { writer } = this;
    if (writer?.isOpen && Date.now() - writer.openedAtMs < RENEW_MS) return Promise.resolve(writer);
    this.opening ??= this.reopen().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private async reopen(): Promise<LogWriter> {
    await this.writer?.close();
    const partitions: TopicPartition[] = [];
    for (const entity of this.entities) {
      const topic = deadLetterTopic(entity).name;
      const count = await this.log.partitionCount(topic);
      for (let partition = 0; partition < count; partition++) partitions.push({ topic, partition });
    }
    this.writer = await this.log.openWriter(this.writerName, partitions);
    return this.writer;
  }
}

/** The cause of a row that the table rejected. Quotations are removed: messages of SQLSTATE class 22 quote values. */
export function unappliableCause({ code, message, names }: Rejection, replica: string): DeadLetterCause {
  const safeMessage = code.startsWith("22") ? message.replace(/".*"/s, "…") : message;
  const objects = Object.entries(names).flatMap(([kind, name]) => (name === "" ? [] : [`${kind} ${name}`]));
  const detail = [`SQLSTATE ${code}: ${safeMessage}`, ...objects].join(", ");
  return { reason: "unappliable", detail, stack: detail, replica };
}

/** The cause of a record that is not an event. It leaves the parser's message out, which may quote the document. */
export function unreadableCause(error: unknown, replica: string): DeadLetterCause {
  // An UpcastError names the schema version and the upcaster, and quotes nothing.
  if (error instanceof UpcastError)
    return {
      reason: "unreadable",
      detail: error.message,
      stack: [error.message, ...framesOf(error.cause ?? error)].join("\n"),
      replica,
    };
  const problem = error instanceof SyntaxError ? "the value is not JSON" : "the stream does not write such events";
  const kind = error instanceof Error ? error.name : "unknown";
  return {
    reason: "unreadable",
    detail: `${problem} (${kind})`,
    stack: [kind, ...framesOf(error)].join("\n"),
    replica,
  };
}

/** The stack's frames without its message, which may span several lines. */
export const framesOf = (error: unknown): string[] =>
  error instanceof Error ? (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)) : [];
