/**
 * Processes a list with several lanes at a time. Even lanes take from the front of the list, odd lanes from its end.
 * A list that begins with short items and ends with long ones therefore keeps both lanes busy, without estimates.
 *
 * @param lanes number of concurrent calls of `work`; at least 1 is used.
 * @throws the first error that `work` throws.
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
