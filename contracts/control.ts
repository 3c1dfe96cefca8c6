/** What operators tell the services on `lockstep.control`: who is paused. The newest record of a key holds. */

/** Keys of those who can be paused. */
export const STREAM_KEY = "stream";
export const replicaKey = (replica: string): string => `replica/${replica}`;

export interface Control {
  readonly paused: boolean;
  /** Why, in the operator's words. */
  readonly reason?: string;
  /** Since when, ISO 8601. */
  readonly at: string;
}

/** Undefined for what is none: it then changes nothing. */
export function decodeControl(value: Buffer | null): Control | undefined {
  try {
    const said = JSON.parse(value?.toString() ?? "") as Partial<Control>;
    return typeof said.paused === "boolean" ? (said as Control) : undefined;
  } catch {
    return undefined;
  }
}
