/**
 * Runs several kinds of work alternately, in reversed order every other round. Other load on the machine then affects
 * all kinds alike, so that their medians can be compared. Times measured one after the other cannot.
 *
 * @param rounds number of runs of each kind.
 * @param work by name; receives the number of the round, from 0.
 * @returns the results of each name, in the order of the rounds.
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

/** Returns the middle value; with an even count the higher of the two; NaN for an empty list. */
export const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN;
