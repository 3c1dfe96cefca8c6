/** Fills templates of SQL in. */

/** Fills in each `{name}` that is in `parts`. Filled-in text is not searched again. */
export const fillIn = (text: string, parts: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => parts[name] ?? whole);
