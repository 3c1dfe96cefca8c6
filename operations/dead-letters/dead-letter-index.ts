/** The state of each dead letter, from the records of the dead-letter topics. */
import {
  type DeadLetter,
  decodeDeadLetterOrMark,
  originName,
  type Resolution,
  resolutions,
} from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { StoredRecord } from "../../kafka/log.ts";

/** `open`, or how it was resolved. Superseded: a replica has this version of the entity or a newer one. */
export type DeadLetterState = "open" | Resolution;

/** All states, in the order of the summary. */
export const deadLetterStates: readonly DeadLetterState[] = ["open", ...resolutions];

/** What a dead letter and a change that the relay has set aside have in common. */
export interface ListedEntry {
  readonly entity: Pick<EntityDeclaration, "name">;
  readonly deadLetter: Omit<DeadLetter, "stack" | "origin">;
  /** `products.events/3/17`, or `outbox/17` for a change that is set aside. */
  readonly name: string;
  state: DeadLetterState;
}

/** A dead letter with its state. */
export interface DeadLetterEntry extends ListedEntry {
  readonly entity: EntityDeclaration;
  /** Without its stack trace and with at most 300 characters of detail, so that a million entries fit into memory. */
  readonly deadLetter: Omit<DeadLetter, "stack">;
  /** The origin: `products.events/3/17`. */
  readonly name: string;
  /** Position in the dead-letter topic. */
  readonly partition: number;
  readonly offset: number;
  /** The state in the topic. A dead letter that is open here may be superseded in a replica: see `markSuperseded`. */
  state: DeadLetterState;
}

const MAX_DETAIL_LENGTH = 300;

/** Collects the records of dead-letter topics, and derives the state of each dead letter once all are added. */
export class DeadLetterIndex {
  private readonly entries = new Map<string, DeadLetterEntry>();
  private readonly resolutions = new Map<string, Resolution>();

  /** Adds a record. The records of one partition must come in their order. A record of an unknown form is ignored. */
  add(
    entity: EntityDeclaration,
    record: Pick<StoredRecord, "key" | "headers" | "timestampMs" | "partition" | "offset">,
  ): void {
    const decoded = decodeDeadLetterOrMark(record);
    if (!decoded) return;
    if ("mark" in decoded) {
      this.resolutions.set(originName(decoded.mark.origin), decoded.mark.resolution);
      return;
    }
    const { stack: _, ...deadLetter } = decoded.deadLetter;
    const name = originName(deadLetter.origin);
    // A dead letter may be written twice and counts once.
    if (this.entries.has(name)) return;
    const { partition, offset } = record;
    const short = { ...deadLetter, detail: deadLetter.detail.slice(0, MAX_DETAIL_LENGTH) };
    this.entries.set(name, { entity, deadLetter: short, name, partition, offset, state: "open" });
  }

  /** All dead letters by name, with their states. Call it once, after the last record. */
  resolve(): Map<string, DeadLetterEntry> {
    this.resolveReplays();
    for (const [name, resolution] of this.resolutions) {
      const entry = this.entries.get(name);
      if (entry) entry.state = resolution;
    }
    return this.entries;
  }

  /**
   * A dead letter whose replay failed again was replayed, even if the replay ended before it wrote the resolution. When
   * a dead letter failed again twice, only the later copy stays open.
   */
  private resolveReplays(): void {
    const latest = new Map<string, DeadLetterEntry>();
    for (const entry of this.entries.values()) {
      const { replayOf } = entry.deadLetter;
      if (replayOf === undefined) continue;
      const original = this.entries.get(replayOf);
      if (original) original.state = "replayed";
      const other = latest.get(replayOf);
      if (other) (isLater(entry, other) ? other : entry).state = "superseded";
      if (!other || isLater(entry, other)) latest.set(replayOf, entry);
    }
  }
}

const isLater = ({ deadLetter: a }: DeadLetterEntry, { deadLetter: b }: DeadLetterEntry): boolean =>
  a.writtenMs === b.writtenMs ? a.origin.offset > b.origin.offset : a.writtenMs > b.writtenMs;
