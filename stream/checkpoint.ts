/** The progress of one input partition. Pure. */

/** Name of an input partition: `products.events/3`. */
export type PartitionKey = string;

/** Records of one partition that were stored and are gone. Part of the checkpoint: members must not be renamed. */
export interface Loss {
  /** First lost offset. */
  readonly from: number;
  /** Offset after the last lost one. */
  readonly to: number;
  /** When the loss was found, milliseconds since 1970. */
  readonly atMs: number;
}

/** Losses by topic. */
export type Losses = Readonly<Record<string, Loss>>;

/** The progress of one input partition. Also stored in the versions topic, so its members must not be renamed. */
export interface Checkpoint {
  /** Offset of the first input record that is not processed. */
  readonly next: number;
  /** End of each output partition at the time of writing, by topic. Outputs of later input are at or after it. */
  readonly ends: Readonly<Record<string, number>>;
  /** The last processed input record. Absent: none was processed, or an earlier release wrote the checkpoint. */
  readonly last?: { readonly offset: number; readonly identity: string };
  /** How often the input was replaced (input-start.ts). Its offsets started again each time. Absent: never. */
  readonly generation?: number;
  /** What topics of the partition have lost (lost-records.ts), by topic. */
  readonly lost?: Losses;
  /** Known first offsets of compacted outputs, by topic. Absent: 0. */
  readonly firsts?: Readonly<Record<string, number>>;
}

/** True when `a` is further than `b`. */
export const isFurther = (a: Checkpoint, b: Checkpoint | undefined): boolean =>
  b === undefined ||
  (a.generation ?? 0) > (b.generation ?? 0) ||
  ((a.generation ?? 0) === (b.generation ?? 0) && a.next > b.next);
