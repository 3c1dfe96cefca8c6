/** Implements `bun run test`: runs the jobs of all groups and prints seconds by file, failures and a summary. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { UserError } from "../../contracts/errors.ts";
import { type Report, readReport } from "./junit.ts";
import { countTests, provideRequirements, type Skipped, type TestFile } from "./requirements.ts";
import { runInLanes } from "./run-in-lanes.ts";
import { startServers } from "./servers.ts";
import { checks, type Group, groups, inOrderOfRun, type Job, jobsOf } from "./test-jobs.ts";

const root = join(import.meta.dirname, "../..");

/**
 * Number of concurrent jobs. Each runs one stack at most. More would end earlier, but tests that promise something within
 * seconds would then measure their neighbours.
 */
const LANES = Number(process.env.TEST_LANES ?? Math.min(2, availableParallelism()));
/** Returns the port range of a lane. The last range is for this process, which starts the servers of some jobs. */
const portsPart = (lane: number): string => `${lane + 1}/${LANES + 1}`;
const PROGRESS_INTERVAL_MS = 30_000;
/** Files below this duration in seconds are not listed. */
const MIN_REPORTED_S = 1;

/** Parses the command line, runs the tests and exits: with 0 when at least one test ran or was skipped and none failed. */
export async function runTests(): Promise<void> {
  const { only } = new Command("test")
    .addOption(new Option("--only <group>", "run one group only").choices(groups))
    .parse()
    .opts<{ only?: Group }>();
  process.env.TEST_PORTS_PART = portsPart(LANES);
  const chosen = only ? [only] : groups;
  const files = chosen.flatMap(filesOf);
  const skipped = await provideRequirements(files, (line) => console.log(line)).catch(exitWithReason);
  const runnable = files.filter((file) => !skipped.some((skip) => skip.file === file));
  const jobs = inOrderOfRun(chosen.flatMap((group) => (group === "static" ? checks : jobsOf(group, runnable))));
  const running = new Map<Job, number>();
  const still = setInterval(() => console.log(progressText(running)), PROGRESS_INTERVAL_MS);
  const reports: Report[] = [];
  const live = jobs.length === 1 || LANES < 2;
  await runInLanes(jobs, LANES, async (job, lane) => {
    running.set(job, performance.now());
    console.log(`▶ ${job.group}: ${job.name}`);
    const { report, output } = await run(job, lane, live);
    const seconds = (performance.now() - running.get(job)!) / 1_000;
    running.delete(job);
    reports.push(report);
    console.log(`\n== ${job.group}: ${job.name} (${seconds.toFixed(1)} s)\n${output}`);
  });
  clearInterval(still);
  finish(reports, skipped, only);
}

function filesOf(group: Group): TestFile[] {
  return [...new Bun.Glob(`**/*.${group}.test.ts`).scanSync({ cwd: root })]
    .filter((path) => !path.startsWith("node_modules/"))
    .sort()
    .map((path) => ({ group, path, text: readFileSync(join(root, path), "utf8") }));
}

function exitWithReason(error: unknown): never {
  console.error(error instanceof UserError ? error.message : error);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

async function run(job: Job, lane: number, live: boolean): Promise<{ report: Report; output: string }> {
  // Bun runs the check whatever its shebang says: Node may not be installed.
  if (job.check) {
    const [program, ...args] = job.check;
    const { status, output } = await runBun([join(root, "node_modules/.bin", program!), ...args], {}, live);
    return { report: checkReport(job, status), output };
  }
  const folder = mkdtempSync(join(tmpdir(), "lockstep-junit-"));
  const file = join(folder, "junit.xml");
  try {
    const options = ["--reporter=junit", `--reporter-outfile=${file}`];
    const ports = { TEST_PORTS_PART: portsPart(lane) };
    const servers = { ...ports, ...(job.servers ? await startServers() : {}) };
    const { status, output } = await runBun(["test", ...options, ...job.files.map((f) => `./${f}`)], servers, live);
    return { report: testReport(job, file, status), output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs Bun. @param live true prints the output at once; false returns it. */
async function runBun(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  live: boolean,
): Promise<{ status: number; output: string }> {
  const output = live ? "inherit" : "pipe";
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: root,
    stdio: ["ignore", output, output],
    env: { ...process.env, ...env },
  });
  const chunks: string[] = [];
  const listen = async (stream: ReadableStream<Uint8Array> | undefined) => {
    const decoder = new TextDecoder();
    if (stream) for await (const chunk of stream) chunks.push(decoder.decode(chunk, { stream: true }));
  };
  await Promise.all([listen(child.stdout ?? undefined), listen(child.stderr ?? undefined)]);
  return { status: await child.exited, output: chunks.join("") };
}

const emptyReport = { passed: 0, failed: 0, skipped: 0, files: new Map(), failures: [] };

const checkReport = ({ name }: Job, status: number): Report =>
  status === 0 ? { ...emptyReport, passed: 1 } : { ...emptyReport, failed: 1, failures: [name] };

/** Reads the report of a job. A non-zero status without a failed test (a load error, a crash) counts as one failure. */
function testReport({ name }: Job, file: string, status: number): Report {
  const report = readReport(readTextOrEmpty(file));
  if (report.failed > 0 || status === 0) return report;
  return { ...report, failed: 1, failures: [`${name}: ended with status ${status} and no failed test`] };
}

function readTextOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function progressText(running: ReadonlyMap<Job, number>): string {
  const each = [...running].map(
    ([{ group, name }, start]) => `${group}: ${name} (${((performance.now() - start) / 1_000).toFixed(0)} s)`,
  );
  return `… ${each.join(", ")}`;
}

function finish(reports: readonly Report[], notRun: readonly Skipped[], only: Group | undefined): void {
  const sum = (of: (report: Report) => number) => reports.reduce((total, report) => total + of(report), 0);
  const [passed, failed] = [sum((r) => r.passed), sum((r) => r.failed)];
  const skipped = sum((r) => r.skipped) + notRun.reduce((total, { file }) => total + countTests(file), 0);
  const files = reports.flatMap(({ files }) => [...files]).filter(([, seconds]) => seconds >= MIN_REPORTED_S);
  if (files.length > 0) console.log("\n== seconds by file");
  for (const [file, seconds] of files.sort(([, a], [, b]) => b - a))
    console.log(`${seconds.toFixed(1).padStart(7)}  ${file}`);
  const failures = reports.flatMap((report) => report.failures);
  if (failures.length > 0) console.log(`\n== failed\n${failures.join("\n")}`);
  for (const [reason, all] of Map.groupBy(notRun, (skip) => skip.reason))
    console.log(`\n== skipped: ${reason}\n${all.map(({ file }) => file.path).join("\n")}`);
  if (skipped > 0) console.log(`\n${skipped} skipped`);
  if (passed + failed + skipped === 0) console.error(`no test matches${only ? ` --only ${only}` : ""}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed + skipped > 0 ? 0 : 1);
}
