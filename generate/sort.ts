/** The same object with its keys in the order of the alphabet, so that the order of declarations changes no file. */
export const byName = <T>(values: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
