/** Parses Bun's JUnit report. Pure. */

/** Counts of one job. */
export interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Seconds by file, including hooks. */
  readonly files: ReadonlyMap<string, number>;
  /** One text for each failed test: file, name and the first line of the message. */
  readonly failures: readonly string[];
}

const parseAttributes = (tag: string): Map<string, string> =>
  new Map([...tag.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, unescapeXml(value!)]));

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

const unescapeXml = (text: string): string =>
  text.replace(/&(?:#(\d+)|(\w+));/g, (all, code, name) =>
    code ? String.fromCodePoint(Number(code)) : (entities[name] ?? all),
  );

/** Parses a report. An empty or malformed text gives a report with all counts 0. */
export function readReport(xml: string): Report {
  const total = parseAttributes(/<testsuites [^>]*>/.exec(xml)?.[0] ?? "");
  const number = (name: string) => Number(total.get(name) ?? 0);
  const failed = number("failures") + number("errors");
  const files = new Map<string, number>();
  for (const [tag] of xml.matchAll(/<testsuite [^>]*>/g)) {
    const suite = parseAttributes(tag);
    if (suite.get("name") === suite.get("file")) files.set(suite.get("file")!, Number(suite.get("time")));
  }
  const failures = [...xml.matchAll(/(<testcase [^>]*[^/]>)\s*(<failure [^>]*>)/g)].map(([, test, failure]) => {
    const at = parseAttributes(test!);
    const message = (parseAttributes(failure!).get("message") ?? "").split("\n")[0]!;
    return `${at.get("file")}: ${at.get("name")}${message ? `: ${message}` : ""}`;
  });
  return { passed: number("tests") - failed - number("skipped"), failed, skipped: number("skipped"), files, failures };
}
