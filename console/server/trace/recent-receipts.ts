/** Keeps the last receipts: the receipt of a write may arrive before the gateway's response starts the trace. */
import type { Receipt } from "../../../contracts/receipt.ts";

/** Limit of the changes in all kept receipts together: some seconds at the rates of one machine. */
const MAX_CHANGES = 20_000;

/** Bounded list of receipts. The newest is always kept, also when it alone is over the limit. */
export class RecentReceipts {
  private readonly receipts: Receipt[] = [];
  private changes = 0;

  /** Adds a receipt and removes the oldest ones while the limit is exceeded. */
  add(receipt: Receipt): void {
    this.receipts.push(receipt);
    this.changes += receipt.changes.length;
    while (this.changes > MAX_CHANGES && this.receipts.length > 1)
      this.changes -= this.receipts.shift()!.changes.length;
  }

  /** All kept receipts, oldest first. */
  all(): readonly Receipt[] {
    return this.receipts;
  }
}
