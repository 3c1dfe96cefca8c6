/**
 * Processes a list with several lanes at a time. Each lane takes the next item when it has finished one, so long items
 * belong at the front: a long one at the end would leave the other lanes idle.
 *
 * @param lanes number of concurrent calls of `work`; at least 1 is used.
 * @throws the first error that `work` throws.
 */
export async function runInLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (thing: T, lane: number) => Promise<void>,
): Promise<void> {
  const pending = items.values();
  const lane = async (n: number) => {
    for (const thing of pending) await work(thing, n);
  };
  await Promise.all(Array.from({ length: Math.max(1, lanes) }, (_, n) => lane(n)));
}
