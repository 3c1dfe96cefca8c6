/** A replica's dead letters on their way into the log: surely stored, or the batch comes again. */
import type { DeadLetterCause, encodeDeadLetter } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { UpcastError } from "../contracts/entity/upcast.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import type { Log, LogWriter, TopicPartition } from "../kafka/log.ts";
import type { Rejection } from "./apply/rejection-tracker.ts";

/** A writer that is idle for a day is forgotten by the brokers; see LogWriter. */
const RENEW_MS = 12 * 60 * 60 * 1_000;

export class DeadLetterWriter {
  private writer: LogWriter | undefined;
  private opening: Promise<LogWriter> | undefined;

  /** @param writerName unlike any other process', or each would shut the other out. */
  constructor(
    private readonly log: Log,
    private readonly entities: readonly EntityDeclaration[],
    private readonly writerName: string,
  ) {}

  /**
   * Resolves when the letters are stored.
   *
   * @param partition of the topic in which the records stood; the letters go to the same.
   * @throws {WriterDeadError} when that is not known; to send them once more is harmless, since readers fold them by origin.
   */
  async send(
    entity: EntityDeclaration,
    partition: number,
    letters: readonly ReturnType<typeof encodeDeadLetter>[],
  ): Promise<void> {
    const writer = await this.open();
    await writer.write({ topic: deadLetterTopic(entity).name, partition }, letters);
  }

  async close(): Promise<void> {
    await this.opening?.catch(() => {});
    await this.writer?.close();
  }

  /** Only when there is a first letter: it costs a fence in every partition. */
  private open(): Promise<LogWriter> {
    const { writer } = this;
    if (writer?.isOpen && Date.now() - writer.openedAtMs < RENEW_MS) return Promise.resolve(writer);
    this.opening ??= this.reopen().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private async reopen(): Promise<LogWriter> {
    await this.writer?.close();
    const places: TopicPartition[] = [];
    for (const entity of this.entities) {
      const topic = deadLetterTopic(entity).name;
      const count = await this.log.partitionCount(topic);
      for (let partition = 0; partition < count; partition++) places.push({ topic, partition });
    }
    this.writer = await this.log.openWriter(this.writerName, places);
    return this.writer;
  }
}

/** Why the database refused a row. PostgreSQL quotes values in its messages of class 22: those are left out. */
export function unappliable({ code, message, names }: Rejection, replica: string): DeadLetterCause {
  const safe = code.startsWith("22") ? message.replace(/".*"/s, "…") : message;
  const named = Object.entries(names).flatMap(([what, name]) => (name === "" ? [] : [`${what} ${name}`]));
  const detail = [`SQLSTATE ${code}: ${safe}`, ...named].join(", ");
  return { reason: "unappliable", detail, stack: detail, replica };
}

export function unreadable(error: unknown, replica: string): DeadLetterCause {
  // Says the schema version and which upcaster it was.
  if (error instanceof UpcastError)
    return {
      reason: "unreadable",
      detail: error.message,
      stack: [error.message, ...placesOf(error.cause ?? error)].join("\n"),
      replica,
    };
  // What a parser says may quote the document.
  const name = error instanceof SyntaxError ? "the value is not JSON" : "it is no event that the stream writes";
  const kind = error instanceof Error ? error.name : "unknown";
  return { reason: "unreadable", detail: `${name} (${kind})`, stack: [kind, ...placesOf(error)].join("\n"), replica };
}

/** The stack's lines without the message, which may be of several lines. */
const placesOf = (error: unknown): string[] =>
  error instanceof Error ? (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)) : [];
