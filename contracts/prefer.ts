/** The request header `Prefer` (RFC 7240), as far as Lockstep knows it: `wait`, in seconds, and its parameters. Pure. */

export interface WaitPreference {
  /** How long the client is ready to wait, in milliseconds; never above the bound. */
  readonly ms: number;
  /** As the client wrote it, bounded: for `Preference-Applied`. */
  readonly applied: string;
  /** The parameter `replicas` of the preference, if given: names separated by spaces or commas. */
  readonly replicas: readonly string[] | undefined;
}

const preference = /^wait=(\d{1,6}(?:\.\d{1,3})?)$/i;
const parameter = /^replicas="?([a-z0-9 ,_-]*)"?$/i;

/**
 * The preference to wait, if there is one. What cannot be understood is ignored, as the RFC asks (section 2).
 *
 * @param maxMs a longer wish counts as this long.
 */
export function parsePreferWait(header: string | undefined, maxMs: number): WaitPreference | undefined {
  for (const part of splitOutsideQuotes(header ?? "", ",")) {
    const [first = "", ...parameters] = splitOutsideQuotes(part, ";").map((piece) => piece.trim());
    const seconds = preference.exec(first)?.[1];
    if (seconds === undefined) continue;
    const ms = Math.min(Number(seconds) * 1_000, maxMs);
    const named = parameters.map((piece) => parameter.exec(piece)?.[1]).find((list) => list !== undefined);
    const replicas = named?.split(/[ ,]+/).filter(Boolean);
    return { ms, applied: `wait=${ms / 1_000}`, replicas: replicas?.length ? replicas : undefined };
  }
  return undefined;
}

const splitOutsideQuotes = (text: string, at: "," | ";"): string[] =>
  text.match(at === "," ? /(?:"[^"]*"|[^",])+/g : /(?:"[^"]*"|[^";])+/g) ?? [];
