/**
 * Does several things at a time. The first lane begins with the first and the second with the last: so what is cheap and what is long are
 * under way together, and nobody has to say how long anything takes.
 */
export async function runInLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (thing: T, lane: number) => Promise<void>,
): Promise<void> {
  const pending = [...items];
  const lane = async (n: number) => {
    for (;;) {
      const thing = n % 2 === 0 ? pending.shift() : pending.pop();
      if (thing === undefined) return;
      await work(thing, n);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, lanes) }, (_, n) => lane(n)));
}
