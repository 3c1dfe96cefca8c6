/** What operators tell the services on `lockstep.control`: who is paused. The newest record of a key holds. */

import { z } from "zod";

/** Keys of those who can be paused. */
export const STREAM_KEY = "stream";
export const replicaKey = (replica: string): string => `replica/${replica}`;

/** Value of a record there. */
export const controlSchema = z
  .strictObject({
    paused: z.boolean(),
    reason: z.string().exactOptional().describe("why, in the operator's words"),
    at: z.iso.datetime().describe("since when"),
  })
  .readonly();

export type Control = z.infer<typeof controlSchema>;

/** Undefined for what is none: it then changes nothing. */
export function decodeControl(value: Buffer | null): Control | undefined {
  try {
    const said = JSON.parse(value?.toString() ?? "") as Partial<Control>;
    return typeof said.paused === "boolean" ? (said as Control) : undefined;
  } catch {
    return undefined;
  }
}
