/** Divides the test run into jobs. A job is one process: a static check, or files of one group. Pure. */

/** All groups in the order of a run. A file's suffix names its group (tests/README.md). */
export const groups = ["static", "unit", "simulation", "int", "otel", "e2e", "ui", "fault", "container"] as const;
/** Name of a group. */
export type Group = (typeof groups)[number];

/** One process of the test run. */
export interface Job {
  readonly group: Group;
  readonly name: string;
  /** Program and arguments of a static check; undefined for tests. */
  readonly check?: readonly string[];
  readonly files: readonly string[];
  /** True: needs PostgreSQL, broker and Redis of its own, because topics and consumer groups have the same names in all jobs. */
  readonly servers: boolean;
}

/** The static checks. */
export const checks: readonly Job[] = [
  ["biome", "check", "--error-on-warnings"],
  ["tsc", "--noEmit", "-p", "."],
  // The console's page is JavaScript with types in comments.
  ["tsc", "--noEmit", "-p", "console/page"],
].map((check) => ({ group: "static", name: check.join(" "), check, files: [], servers: false }));

/** Matches a test that starts its own servers. It gains nothing from a shared process, and can run beside other jobs. */
const OWN_SERVERS = /\bStack\.start\(|\bstartSuite\(/;

/**
 * Orders jobs for several lanes: static checks and unit tests, which fail fast, then the jobs of many files, which take
 * longest, then tests with faults, which wait most, then all others.
 */
export function inOrderOfRun(jobs: readonly Job[]): Job[] {
  const rank = ({ group, files }: Job): number => {
    if (group === "static" || group === "unit") return 0;
    if (files.length > 1) return 1;
    return group === "fault" ? 2 : 3;
  };
  return jobs.toSorted((a, b) => rank(a) - rank(b));
}

/** Returns the jobs of a group. A file that starts its own stack or brokers is a job; all other files form one job. */
export function jobsOf(group: Group, all: readonly { group: Group; path: string; text: string }[]): Job[] {
  const files = all.filter((file) => file.group === group);
  const alone = files.filter(({ text }) => group !== "int" && OWN_SERVERS.test(text)).map(({ path }) => path);
  const together = files.map(({ path }) => path).filter((path) => !alone.includes(path));
  const servers = group === "int" || group === "fault";
  return [
    ...(together.length > 0 ? [{ group, name: jobName(group, together), files: together, servers }] : []),
    ...alone.map((file) => ({ group, name: file, files: [file], servers: false })),
  ];
}

const jobName = (group: Group, files: readonly string[]): string =>
  files.length === 1 ? files[0]! : `${files.length} files of ${group}`;
