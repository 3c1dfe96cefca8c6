/** The Docker that the container tests use: TEST_DOCKER, a command that takes Docker's own arguments. */
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const docker = (process.env.TEST_DOCKER || "docker").split(" ");
/** Not the name in compose.yaml: nobody's own stack is touched. */
const PROJECT = "lockstep-test";

/** Characters of what a failed command said, from its end. */
const MAX_ERROR_CHARS = 3_000;

interface CommandOutput {
  readonly status: number;
  readonly stdout: string;
  readonly all: string;
}

/** Runs `docker ARGS…` in the project's folder, to its end. */
export async function tryDocker(...args: readonly string[]): Promise<CommandOutput> {
  const ran = Bun.spawn([...docker, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([new Response(ran.stdout).text(), new Response(ran.stderr).text()]);
  return { status: await ran.exited, stdout: stdout.trim(), all: `${stdout}\n${stderr}`.trim() };
}

/** Like {@link tryDocker}. @returns what it printed. @throws {Error} with all that it said, when its status is not 0. */
export async function runDocker(...args: readonly string[]): Promise<string> {
  const { status, stdout, all } = await tryDocker(...args);
  if (status !== 0) throw new Error(`docker ${args.join(" ")} ended with ${status}\n${all.slice(-MAX_ERROR_CHARS)}`);
  return stdout;
}

const inProject = (args: readonly string[]) => ["compose", "--progress", "quiet", "--project-name", PROJECT, ...args];

/** `docker compose ARGS…` on a project of the tests' own. @throws {Error} with all that it said, when its status is not 0. */
export const compose = (...args: readonly string[]): Promise<string> => runDocker(...inProject(args));

/**
 * Starts what is asked for and waits until it is healthy.
 *
 * @param flags of `docker compose` itself; @param args of its `up`.
 * @throws {Error} with the last logs of all when it is not in time.
 */
export async function startServices(args: readonly string[] = [], flags: readonly string[] = []): Promise<void> {
  const { status, all } = await tryDocker(
    ...inProject([...flags, "up", "--detach", "--wait", "--wait-timeout", "300", ...args]),
  );
  if (status !== 0) throw new Error(`${all}\n${await compose("ps", "--all")}\n${await compose("logs", "--tail", "3")}`);
}

/** What all that belongs to the tests' project is found by. */
export const projectFilter = ["--filter", `label=com.docker.compose.project=${PROJECT}`];

async function containers(service: string): Promise<string[]> {
  const listed = await runDocker(
    "ps",
    "--all",
    "--quiet",
    ...projectFilter,
    "--filter",
    `label=com.docker.compose.service=${service}`,
  );
  return listed.split("\n");
}

/** One value of each container of a service, by a Go template of `docker inspect`. */
export const inspectService = async (service: string, template: string): Promise<string[]> =>
  (await runDocker("inspect", "--format", template, ...(await containers(service)))).split("\n");

/** Asks over HTTP from inside the stack, as a container of it. */
export const httpGet = (url: string): Promise<string> =>
  compose("exec", "-T", "prometheus", "wget", "-q", "-O", "-", url);

/** Writes and deletes must show within so many milliseconds: what is tested is that they do, on a machine that may have much else to do. */
const MAX_P95_MS = 10_000;

/** A few writes seen at both replicas and their caches: k6 in the stack. @throws {Error} with its summary when one was not. */
export const runSmokeTest = (iterations: number): Promise<string> =>
  compose("run", "--rm", "--no-deps", "--env", `ITERATIONS=${iterations}`, "--env", `P95_MS=${MAX_P95_MS}`, "k6");

/**
 * Ends a service's only container as a crash does: its first process by SIGKILL, from outside, so that Docker starts it again by
 * its restart policy. Where the engine's processes are not this machine's, Docker kills and starts it.
 */
export async function crashService(service: string): Promise<void> {
  const [pid] = await inspectService(service, "{{.State.Pid}}");
  try {
    process.kill(Number(pid), "SIGKILL");
  } catch {
    const [container = ""] = await containers(service);
    await runDocker("kill", container);
    await runDocker("start", container);
  }
}
