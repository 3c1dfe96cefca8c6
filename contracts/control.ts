/**
 * The topic `lockstep.control`: the commands of operators to the stream and replicas, and the source that owns the
 * log's topics. The newest record of a key counts.
 */
import { z } from "zod";

/** Key of the stream's record. */
export const STREAM_KEY = "stream";
/** Key of a replica's record. */
export const replicaKey = (replica: string): string => `replica/${replica}`;

/** Key of the record that ends the stream's conditions `records-lost` and `events-lost`. */
export const CLEARED_LOSSES_KEY = "stream/cleared-losses";

/** Schema of a pause. */
export const controlSchema = z
  .strictObject({
    paused: z.boolean(),
    reason: z.string().exactOptional().describe("the operator's reason"),
    at: z.iso.datetime().describe("time of the command"),
  })
  .readonly();

/** Whether a service is paused, since when and why. */
export type Control = z.infer<typeof controlSchema>;

/** Schema of the value of {@link CLEARED_LOSSES_KEY}. */
export const clearedLossesSchema = z.strictObject({
  until: z.iso.datetime().describe("losses that were found until this time are made good"),
});

/** Makes the value of {@link CLEARED_LOSSES_KEY}: the conditions end for losses that were found until then. */
export const encodeClearedLosses = (until: Date): string => JSON.stringify({ until: until.toISOString() });

/** Reads that record. @returns milliseconds since 1970; 0 for an invalid value. */
export function decodeClearedLosses(value: Buffer | null): number {
  try {
    return Date.parse((JSON.parse(value?.toString() ?? "") as { until: string }).until) || 0;
  } catch {
    return 0;
  }
}

/** Start of the keys under which sources claim the topics. The UUID of a source's identity follows. */
export const CLAIM_KEY_PREFIX = "relay/source/";

/** Schema of a claim. */
export const claimSchema = z.strictObject({
  database: z.string().describe("name of the source's database, for people"),
  place: z.string().describe("the server's system identifier and the database's oid: another one if the source moved"),
  at: z.iso.datetime().describe("time of the source's first claim"),
});

/** A source's claim: the topics of this project hold its events. The oldest claim counts. */
export type Claim = z.infer<typeof claimSchema>;

/** Reads a claim. @returns undefined for an invalid value. */
export function decodeClaim(value: Buffer | null): Claim | undefined {
  try {
    return claimSchema.parse(JSON.parse(value?.toString() ?? ""));
  } catch {
    return undefined;
  }
}

/** Reads a pause. @returns undefined for an invalid value, which readers ignore. */
export function decodeControl(value: Buffer | null): Control | undefined {
  try {
    const control = JSON.parse(value?.toString() ?? "") as Partial<Control>;
    return typeof control.paused === "boolean" ? (control as Control) : undefined;
  } catch {
    return undefined;
  }
}
