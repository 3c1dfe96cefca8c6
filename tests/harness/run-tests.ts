/** Runs the groups of tests one after the other, cheapest first, and sums them up in one last line. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { brokerAddress, postgresUrl, redisUrl } from "./parts.ts";

const root = join(import.meta.dirname, "../..");

/** In the order in which they run. The suffix of a file says its group; see the README of this folder. */
const GROUPS = ["static", "unit", "int", "otel", "e2e", "ui", "fault", "container"] as const;
type Group = (typeof GROUPS)[number];

/** Longest that one test of a group may take, in milliseconds, unless it says otherwise itself. */
const TIMEOUT_MS: Readonly<Record<Exclude<Group, "static">, number>> = {
  unit: 5_000,
  int: 60_000,
  otel: 120_000,
  e2e: 120_000,
  ui: 120_000,
  fault: 300_000,
  container: 60_000,
};

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** Reads the command line, runs what it asks for, and ends the process: with 0 when something ran and nothing failed. */
export async function runTests(): Promise<void> {
  const { only } = new Command("test")
    .addOption(new Option("--only <group>", "run one group only").choices(GROUPS))
    .parse()
    .opts<{ only?: Group }>();
  const total = { passed: 0, failed: 0 };
  for (const group of only ? [only] : GROUPS) {
    if (group === "container" && !process.env.TEST_DOCKER) {
      console.log("\n== container: left out; TEST_DOCKER=docker runs them with your Docker");
      continue;
    }
    const { passed, failed } = group === "static" ? await checkStatically() : await runGroup(group);
    total.passed += passed;
    total.failed += failed;
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  if (total.passed + total.failed === 0) console.error(`no test matches${only ? ` --only ${only}` : ""}`);
  process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
}

/** The formatter's and linter's check, then the type checker's; each counts as one. */
async function checkStatically(): Promise<Counts> {
  const checks = [
    ["biome", "check", "--error-on-warnings"],
    ["tsc", "--noEmit", "-p", "."],
    // The console's page: plain JavaScript with its types in comments.
    ["tsc", "--noEmit", "-p", "operations/console/page"],
  ] as const;
  let passed = 0;
  for (const [program, ...args] of checks) {
    console.log(`\n== static: ${program} ${args.join(" ")}`);
    // Both are started by Bun, whatever their first line says: there may be no Node on this machine.
    if ((await run([process.execPath, join(root, "node_modules/.bin", program), ...args])) === 0) passed++;
  }
  return { passed, failed: checks.length - passed };
}

async function runGroup(group: Exclude<Group, "static">): Promise<Counts> {
  const files = [...new Bun.Glob(`**/*.${group}.test.ts`).scanSync({ cwd: root })]
    .filter((file) => !file.startsWith("node_modules/"))
    .sort();
  if (files.length === 0) return { passed: 0, failed: 0 };
  console.log(`\n== ${group}: ${files.length} files`);
  const servers = group === "unit" || group === "container" ? {} : await sharedServers();
  const folder = mkdtempSync(join(tmpdir(), "lockstep-junit-"));
  const report = join(folder, "junit.xml");
  try {
    const command = [
      ...[process.execPath, "test", `--timeout=${TIMEOUT_MS[group]}`],
      ...["--reporter=junit", `--reporter-outfile=${report}`],
      ...files.map((file) => `./${file}`),
    ];
    const status = await run(command, servers);
    return counted(report, status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts from the report. A run that failed without a failed test (a file that does not load, a crash) is one failure. */
function counted(report: string, status: number): Counts {
  const head = /<testsuites [^>]*>/.exec(readReport(report))?.[0] ?? "";
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  return {
    passed: number("tests") - failed - number("skipped"),
    failed: failed === 0 && status !== 0 ? 1 : failed,
  };
}

function readReport(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

const run = (command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> =>
  Bun.spawn([...command], { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env } })
    .exited;

let started: Promise<Record<string, string>> | undefined;

/**
 * One PostgreSQL, broker and Redis for the whole run, ended with this process. Not started by the tests' own process: when a
 * test takes too long, Bun kills what that process has started.
 */
function sharedServers(): Promise<Record<string, string>> {
  started ??= (async () => {
    const [postgres, broker, redis] = await Promise.all([postgresUrl(), brokerAddress(), redisUrl()]);
    return { TEST_POSTGRES_URL: postgres, TEST_KAFKA_BROKERS: broker, TEST_REDIS_URL: redis };
  })();
  return started;
}
