/** Receipts: a replica reports each applied batch on `lockstep.receipts`, for writes that wait and for measurements. */
import { z } from "zod";

const ms = (what: string) => z.number().describe(`${what}, milliseconds since 1970`);

/** Schema of a record's value. */
export const receiptSchema = z
  .strictObject({
    replica: z.string(),
    entity: z.string().describe("name of the entity's declaration: product"),
    appliedMs: ms("time when the changes became readable in the replica's PostgreSQL"),
    cachedMs: ms("time when they became readable in its cache; null while the cache is disabled").nullable(),
    changes: z
      .array(z.tuple([z.string().min(1), z.int().min(1), ms("time of the commit in the source")]).readonly())
      .readonly()
      .describe("id, applied version, and time of the commit in the source"),
  })
  .readonly();

/** The versions that one replica applied in one batch. */
export type Receipt = z.infer<typeof receiptSchema>;

/** The value of a receipt's record. */
export const encodeReceipt = (receipt: Receipt): string => JSON.stringify(receipt);

/** Reads a receipt. @returns undefined for an invalid value: it must not end the reader. */
export function decodeReceipt(value: Buffer | null): Receipt | undefined {
  try {
    const receipt = JSON.parse(value?.toString() ?? "") as Partial<Receipt>;
    return typeof receipt.replica === "string" && Array.isArray(receipt.changes) ? (receipt as Receipt) : undefined;
  } catch {
    return undefined;
  }
}
