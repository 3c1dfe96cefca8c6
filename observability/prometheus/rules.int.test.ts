import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { prometheusPrograms } from "../../stack/servers/prometheus-binary.ts";
import { run } from "../../stack/servers/run-command.ts";
import { temporaryFolder } from "../../tests/harness/servers.ts";
import { project } from "../../tests/project/index.ts";
import { alertName } from "./rule.ts";
import { ruleCases } from "./rule-cases.ts";
import { alerts, ruleFile } from "./rules.ts";
import { production } from "./thresholds.ts";

const file = (path: string) => join(import.meta.dir, path);
const promtool = async (...args: readonly string[]) => run((await prometheusPrograms({})).promtool, args);

test("promtool accepts Prometheus' configuration and the rules", async () => {
  const config = await promtool("check", "config", file("prometheus.yml"));
  expect(config.output).toContain("SUCCESS: 1 rule files found");
  expect(config.status).toBe(0);
  const rules = await promtool("check", "rules", "--lint=all", "--lint-fatal", file("rules/lockstep.yml"));
  expect(rules).toMatchObject({ status: 0 });
});

test("each alert has a case in which it fires", () => {
  const firing = new Set(ruleCases.flatMap(({ fires }) => Object.keys(fires)));
  expect([...firing].sort()).toEqual([...new Set(alerts(production, project).map(alertName))].sort());
});

let rules: string | undefined;

/** Path of the rules for the replicas of the tests' project. The committed ones are for those of compose.yaml. */
function testedRules(): string {
  if (rules) return rules;
  rules = join(temporaryFolder("rules"), "lockstep.yml");
  writeFileSync(rules, Bun.YAML.stringify(ruleFile(production, project), null, 2));
  return rules;
}

for (const { situation, series, atMinutes, fires } of ruleCases)
  test(`alerts when ${situation}: ${Object.keys(fires).join(", ") || "none"}`, async () => {
    const path = join(temporaryFolder("rules"), "test.json");
    const document = {
      rule_files: [testedRules()],
      evaluation_interval: atMinutes > 100 ? "5m" : "1m",
      tests: [
        {
          interval: "1m",
          input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
          promql_expr_test: [
            {
              expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
              eval_time: `${atMinutes}m`,
              exp_samples: Object.entries(fires).map(([alertname, value]) => ({
                labels: `{alertname="${alertname}"}`,
                value,
              })),
            },
          ],
        },
      ],
    };
    writeFileSync(path, JSON.stringify(document));
    const { status, output } = await promtool("test", "rules", path);
    expect(output).toContain("SUCCESS");
    expect(status).toBe(0);
  });
