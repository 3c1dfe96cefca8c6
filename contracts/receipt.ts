/** What a replica tells once it has applied a batch, on `lockstep.receipts`: for who waits for a write, or measures. */
import type { EntityId, Version } from "./entity.ts";

export interface Receipt {
  readonly replica: string;
  /** Name of the entity's declaration: `product`. */
  readonly entity: string;
  /** When they were readable in the replica's PostgreSQL, milliseconds since 1970. */
  readonly appliedMs: number;
  /** And in its cache; null while that is off. */
  readonly cachedMs: number | null;
  /** Each with the version that is there now, and when the source committed it, milliseconds since 1970. */
  readonly changes: readonly (readonly [id: EntityId, version: Version, committedMs: number])[];
}

export const encodeReceipt = (receipt: Receipt): string => JSON.stringify(receipt);

/** The receipt, or undefined for anything else: whoever reads them must not end by one. */
export function decodeReceipt(value: Buffer | null): Receipt | undefined {
  try {
    const said = JSON.parse(value?.toString() ?? "") as Partial<Receipt>;
    return typeof said.replica === "string" && Array.isArray(said.changes) ? (said as Receipt) : undefined;
  } catch {
    return undefined;
  }
}
