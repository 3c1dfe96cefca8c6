/** What runs in one process of its own: a static check, or some files of a group. Pure. */

/** In this order. The suffix of a file says its group; see the README of this folder. */
export const groups = ["static", "unit", "int", "otel", "e2e", "ui", "fault", "container"] as const;
export type Group = (typeof groups)[number];

export interface Job {
  readonly group: Group;
  readonly name: string;
  /** Program and arguments of a static check; undefined for tests. */
  readonly check?: readonly string[];
  readonly files: readonly string[];
  /** Needs PostgreSQL, broker and Redis that no other job has: topics and consumer groups have the same names in all. */
  readonly servers: boolean;
}

export const checks: readonly Job[] = [
  ["biome", "check", "--error-on-warnings"],
  ["tsc", "--noEmit", "-p", "."],
  // The console's page: plain JavaScript with its types in comments.
  ["tsc", "--noEmit", "-p", "console/page"],
].map((check) => ({ group: "static", name: check.join(" "), check, files: [], servers: false }));

/** How a test says that it has servers of its own: it then gains nothing by sharing a process, and may run beside others. */
const OWN_SERVERS = /\bStack\.start\(|\bstartSuite\(/;

/** A file that starts a stack or brokers of its own is a job; all other files of its group are one job and share servers. */
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
