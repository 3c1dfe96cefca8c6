import { expect, test } from "bun:test";
import { externalMetricNames, metricNamesIn, ownMetricNames } from "../prometheus/metric-names.ts";
import { recordings } from "../prometheus/recording.ts";
import { production } from "../prometheus/thresholds.ts";
import { annotations } from "./annotations.ts";
import { boards } from "./dashboards.ts";

const panels = boards.flatMap((board) => board.rows.flatMap((row) => row.panels.map((panel) => ({ board, panel }))));

test("every metric in a query is declared, external or recorded", () => {
  const recorded = new Set(recordings(production).map(({ record }) => record));
  const known = (name: string) => ownMetricNames.has(name) || externalMetricNames.has(name) || recorded.has(name);
  const queries = [...panels.flatMap(({ panel }) => panel.queries), ...annotations].map(({ expr }) => expr);
  expect(queries.flatMap(metricNamesIn).filter((name) => !known(name))).toEqual([]);
  expect(queries.length).toBeGreaterThan(60);
});

test("the overview starts with the sync latency, and the widths of each row fill the page", () => {
  expect(boards[0]!.slug).toBe("in-step");
  expect(boards[0]!.rows[0]!.title).toBe("Commit to readable");
  for (const board of boards)
    for (const { title, panels } of board.rows) {
      const widths = panels.reduce((sum, { width }) => sum + width, 0);
      expect(`${board.slug}, ${title}: ${widths % 24}`).toBe(`${board.slug}, ${title}: 0`);
    }
});

test("every variable in a query is declared by its dashboard", () => {
  for (const { board, panel } of panels)
    for (const { expr } of panel.queries) {
      const used = [...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name).filter((name) => name !== "__rate_interval");
      const there = board.variables.map(({ name }) => name);
      expect(used.filter((name) => !there.includes(name ?? ""))).toEqual([]);
    }
});
