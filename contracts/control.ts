/** The topic `lockstep.control`: pauses of the stream and of replicas. The newest record of a key counts. */
import { z } from "zod";

/** Key of the stream's record. */
export const STREAM_KEY = "stream";
/** Key of a replica's record. */
export const replicaKey = (replica: string): string => `replica/${replica}`;

/** Schema of a record's value. */
export const controlSchema = z
  .strictObject({
    paused: z.boolean(),
    reason: z.string().exactOptional().describe("the operator's reason"),
    at: z.iso.datetime().describe("time of the command"),
  })
  .readonly();

/** Whether a service is paused, since when and why. */
export type Control = z.infer<typeof controlSchema>;

/** Reads a record. @returns undefined for an invalid value, which readers ignore. */
export function decodeControl(value: Buffer | null): Control | undefined {
  try {
    const control = JSON.parse(value?.toString() ?? "") as Partial<Control>;
    return typeof control.paused === "boolean" ? (control as Control) : undefined;
  } catch {
    return undefined;
  }
}
