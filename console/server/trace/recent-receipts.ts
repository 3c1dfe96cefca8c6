/** The last receipts: a replica may be faster than the gateway's answer, and then has told of a write before anybody follows it. */
import type { Receipt } from "../../../contracts/receipt.ts";

/** Changes that are remembered, some seconds at the rates that a machine takes. */
const MOST_CHANGES = 20_000;

export class RecentReceipts {
  private readonly receipts: Receipt[] = [];
  private changes = 0;

  add(receipt: Receipt): void {
    this.receipts.push(receipt);
    this.changes += receipt.changes.length;
    while (this.changes > MOST_CHANGES && this.receipts.length > 1)
      this.changes -= this.receipts.shift()!.changes.length;
  }

  /** The oldest first. */
  all(): readonly Receipt[] {
    return this.receipts;
  }
}
