/** What the next write is: half inserts, four in ten updates, one in ten deletes. */

export type Random = () => number;

/** Numbers from 0 to below 1, the same for the same seed (mulberry32), so that two runs send the same writes. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export type Write<Item> = { readonly kind: "insert" } | { readonly kind: "update" | "delete"; readonly item: Item };

const INSERTS = 0.5;
const UPDATES = 0.4;

/**
 * Chooses writes so that none can fail for another's sake: an item is changed by one write at a time, and by none after its
 * delete. While no item is free, the next write is an insert.
 */
export class Mix<Item> {
  private readonly free: Item[] = [];

  constructor(private readonly random: Random) {}

  /** The item that an update or delete names is taken until {@link put}. */
  next(): Write<Item> {
    const dice = this.random();
    if (dice < INSERTS) return { kind: "insert" };
    const item = this.take();
    if (item === undefined) return { kind: "insert" };
    return { kind: dice < INSERTS + UPDATES ? "update" : "delete", item };
  }

  /** An item that was inserted or updated may be chosen again. */
  put(item: Item): void {
    this.free.push(item);
  }

  private take(): Item | undefined {
    const last = this.free.pop();
    if (last === undefined || this.free.length === 0) return last;
    const chosen = Math.floor(this.random() * (this.free.length + 1));
    if (chosen === this.free.length) return last;
    const item = this.free[chosen];
    this.free[chosen] = last;
    return item;
  }
}
