/**
 * Two kinds of work in turns, the order of the two changing each time: what else the machine does, for a moment or for a while,
 * meets both alike, so the medians of what they give may be compared where bare times may not.
 *
 * @param rounds how often each comes.
 * @param work by name; told its turn, from 0.
 * @returns for each name what its turns gave.
 */
export async function alternate<Name extends string, Result>(
  rounds: number,
  work: Readonly<Record<Name, (turn: number) => Promise<Result>>>,
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(work) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Result[]>;
  for (let turn = 0; turn < rounds; turn++)
    for (const name of turn % 2 ? names.toReversed() : names) results[name].push(await work[name](turn));
  return results;
}

/** The value in the middle, the higher one of two. NaN of none. */
export const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN;
