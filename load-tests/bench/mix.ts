/** Chooses the kind of the next write: 50 % inserts, 40 % updates, 10 % deletes. */
import type { Random } from "../workload/random.ts";

/** A chosen write. An update or delete names its item. */
export type NextWrite<Item> = { readonly kind: "insert" } | { readonly kind: "update" | "delete"; readonly item: Item };

const INSERTS = 0.5;
const UPDATES = 0.4;

/**
 * Chooses writes that cannot make each other fail: only one write at a time changes an item, and none after its delete.
 * When no item is free, the next write is an insert.
 */
export class WriteMix<Item> {
  private readonly free: Item[] = [];

  constructor(private readonly random: Random) {}

  /** Chooses the next write. The item of an update or delete is reserved until {@link release}. */
  next(): NextWrite<Item> {
    const roll = this.random();
    if (roll < INSERTS) return { kind: "insert" };
    const item = this.takeRandom();
    if (item === undefined) return { kind: "insert" };
    return { kind: roll < INSERTS + UPDATES ? "update" : "delete", item };
  }

  /** Makes an inserted or updated item available for later writes. */
  release(item: Item): void {
    this.free.push(item);
  }

  private takeRandom(): Item | undefined {
    const last = this.free.pop();
    if (last === undefined || this.free.length === 0) return last;
    const chosen = Math.floor(this.random() * (this.free.length + 1));
    if (chosen === this.free.length) return last;
    const item = this.free[chosen];
    this.free[chosen] = last;
    return item;
  }
}
