/** What a replica tells once it has applied a batch, on `lockstep.receipts`: for who waits for a write, or measures. */
import { z } from "zod";

const ms = (what: string) => z.number().describe(`${what}, milliseconds since 1970`);

/** Value of a record there. */
export const receiptSchema = z
  .strictObject({
    replica: z.string(),
    entity: z.string().describe("name of the entity's declaration: product"),
    appliedMs: ms("when they were readable in the replica's PostgreSQL"),
    cachedMs: ms("when they were readable in its cache, null while that is off").nullable(),
    changes: z
      .array(z.tuple([z.guid(), z.int().min(1), ms("when the source committed it")]).readonly())
      .readonly()
      .describe("id, the version that is there now, and when the source committed it"),
  })
  .readonly();

export type Receipt = z.infer<typeof receiptSchema>;

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
