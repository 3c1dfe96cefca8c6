/** The preference `wait` of the request header `Prefer` (RFC 7240), with its parameter `replicas`. Pure. */

/** A client's preference to wait. */
export interface WaitPreference {
  /** Longest wait in milliseconds, at most the upper bound of the service. */
  readonly ms: number;
  /** Value of the response header `Preference-Applied`: `wait=2`, in seconds. */
  readonly applied: string;
  /** Names in the parameter `replicas`, separated by spaces or commas. Undefined: the parameter is missing or empty. */
  readonly replicas: readonly string[] | undefined;
}

const WAIT_PATTERN = /^wait=(\d{1,6}(?:\.\d{1,3})?)$/i;
const REPLICAS_PATTERN = /^replicas="?([a-z0-9 ,_-]*)"?$/i;

/**
 * Reads the preference to wait. Unknown and invalid preferences are ignored (RFC 7240, section 2).
 *
 * @param maxMs upper bound in milliseconds; a longer wait is shortened to it.
 * @returns undefined without a valid preference to wait.
 */
export function parsePreferWait(header: string | undefined, maxMs: number): WaitPreference | undefined {
  for (const part of splitOutsideQuotes(header ?? "", ",")) {
    const [first = "", ...parameters] = splitOutsideQuotes(part, ";").map((piece) => piece.trim());
    const seconds = WAIT_PATTERN.exec(first)?.[1];
    if (seconds === undefined) continue;
    const ms = Math.min(Number(seconds) * 1_000, maxMs);
    const list = parameters.map((piece) => REPLICAS_PATTERN.exec(piece)?.[1]).find((names) => names !== undefined);
    const replicas = list?.split(/[ ,]+/).filter(Boolean);
    return { ms, applied: `wait=${ms / 1_000}`, replicas: replicas?.length ? replicas : undefined };
  }
  return undefined;
}

const splitOutsideQuotes = (text: string, separator: "," | ";"): string[] =>
  text.match(separator === "," ? /(?:"[^"]*"|[^",])+/g : /(?:"[^"]*"|[^";])+/g) ?? [];
