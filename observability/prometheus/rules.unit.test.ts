import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { conditionNames, conditions } from "../../contracts/conditions.ts";
import { metrics } from "../../contracts/metrics.ts";
import { verbs } from "../../operations/index.ts";
import { project } from "../../tests/project/index.ts";
import { externalMetricNames, metricNamesIn, ownMetricNames } from "./metric-names.ts";
import { recordings } from "./recording.ts";
import { alertName, duration } from "./rule.ts";
import { alerts, ruleFile } from "./rules.ts";
import { production, quick } from "./thresholds.ts";

const runbook = readFileSync(join(import.meta.dir, "../../docs/operate/runbook.md"), "utf8");
/** Sections by anchor: the heading in lower case, with hyphens for spaces and without other characters. */
const sections = new Map(
  runbook
    .split(/^(?=## )/m)
    .filter((text) => text.startsWith("## "))
    .map((text) => {
      const [heading = ""] = text.slice(3).split("\n");
      return [
        heading
          .toLowerCase()
          .replace(/[^\w\s-]/g, "")
          .replaceAll(" ", "-"),
        text,
      ] as const;
    }),
);

test("each alert's runbook link leads to a section that names the alert and has the parts Means, See and Do", () => {
  for (const { alert, annotations } of ruleFile(production, project).groups[1]!.rules as {
    alert: string;
    annotations: { runbook_url: string };
  }[]) {
    const [file, section = ""] = annotations.runbook_url.split("#");
    expect(file).toBe("docs/operate/runbook.md");
    const text = sections.get(section);
    expect(text ?? `no section ${section}`).toContain(`\`${alert}\``);
    for (const part of ["**Means**", "**See**", "**Do**"]) expect(text).toContain(part);
  }
});

test("the runbook has a section for every condition, and each says when it may be ignored", () => {
  for (const condition of conditionNames) {
    const text = sections.get(condition) ?? `no section ${condition}`;
    for (const part of ["**Means**", "**See**", "**Do**", "**Ignore**"]) expect(text).toContain(part);
  }
});

test("every condition has an alert of its own name, from its own series", () => {
  for (const condition of conditionNames.filter((name) => name !== "service-down")) {
    const found = alerts(production, project).filter(({ expr }) => expr.includes(`{condition="${condition}"}`));
    expect(found.map(({ section, severity }) => [section, severity])).toEqual([
      [condition, conditions[condition].severity],
    ]);
    expect(alertName(found[0]!).toLowerCase()).toBe(`lockstep${condition.replaceAll("-", "")}`);
  }
  expect(
    alerts(production, project)
      .filter(({ section }) => section === "service-down")
      .map(alertName),
  ).toContain("LockstepServiceDown");
});

test("the runbook names only existing alerts", () => {
  const named = [...runbook.matchAll(/`(Lockstep[A-Z]\w+)`/g)].map(([, name]) => name);
  expect([...new Set(named)].sort()).toEqual([...new Set(alerts(production, project).map(alertName))].sort());
});

const never = () => Promise.reject(new Error("the test reads only the names"));

test("the runbook names only existing commands", () => {
  const named = [...runbook.matchAll(/bun run lockstep ([a-z-]+)/g)].map(([, name]) => name);
  const there = verbs(never, project, never).map((verb) => verb.name());
  expect(named.filter((name) => !there.includes(name ?? ""))).toEqual([]);
});

test("every metric in a rule is declared, external or recorded", () => {
  const recorded = new Set(recordings(production).map(({ record }) => record));
  const known = (name: string) => ownMetricNames.has(name) || externalMetricNames.has(name) || recorded.has(name);
  const named = [...recordings(production), ...alerts(production, project)].flatMap(({ expr }) => metricNamesIn(expr));
  expect(named.filter((name) => !known(name))).toEqual([]);
  expect(named.length).toBeGreaterThan(30);
});

test("metricNamesIn finds metrics, and ignores labels, functions and keywords", () => {
  const expr = `sum by (le, x) (rate(a_bucket{job="b", r=~"c.."}[5m])) / on (z) d offset 5m > 1e3 and absent(e == 1) unless time() - f:g:h`;
  expect(metricNamesIn(expr)).toEqual(["a_bucket", "d", "e", "f:g:h"]);
});

test("the objective for latency is a bound of the histogram's buckets", () => {
  expect(metrics.syncLatency.buckets).toContain(production.slo.withinSeconds);
});

test("the quick rules have the same alerts as those of production", () => {
  const names = (t: typeof production) => alerts(t, project).map(alertName);
  expect(names(quick)).toEqual(names(production));
});

test.each([
  [5, "5s"],
  [90, "90s"],
  [300, "5m"],
  [3_600, "1h"],
  [21_600, "6h"],
])("%i seconds are written as %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});
