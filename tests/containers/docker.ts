/** Runs Docker for the container tests. TEST_DOCKER is the command; it must accept Docker's arguments. */
import { join } from "node:path";
import { type CommandOutput, Docker } from "../../chaos/systems/docker.ts";

const docker = new Docker(process.env.TEST_DOCKER || "docker");
/** Differs from the name in compose.yaml, so that the tests do not affect a running stack. */
const PROJECT = "lockstep-test";

/** Runs `docker ARGS…` in the repository's folder. Resolves with its status and output. */
export const tryDocker = (...args: readonly string[]): Promise<CommandOutput> => docker.try(...args);

/** Like {@link tryDocker}. @returns its stdout. @throws {Error} with its output when its status is not 0. */
export const runDocker = (...args: readonly string[]): Promise<string> => docker.run(...args);

/** Mounts the project of the tests. */
const ENVIRONMENT = "tests/containers/project.env";

const inProject = (args: readonly string[]) => [
  ...["compose", "--progress", "quiet", "--project-name", PROJECT, "--env-file", ENVIRONMENT],
  ...args,
];

/** Runs `docker compose ARGS…` on the tests' project. @throws {Error} with its output when its status is not 0. */
export const compose = (...args: readonly string[]): Promise<string> => runDocker(...inProject(args));

/**
 * Starts services and waits until they are healthy.
 *
 * @param args of `docker compose up`; all services by default.
 * @param flags of `docker compose` itself.
 * @throws {Error} with the last log lines when a service is not healthy after 300 s.
 */
export async function startServices(args: readonly string[] = [], flags: readonly string[] = []): Promise<void> {
  const { status, all } = await tryDocker(
    ...inProject([...flags, "up", "--detach", "--wait", "--wait-timeout", "300", ...args]),
  );
  if (status !== 0) throw new Error(`${all}\n${await compose("ps", "--all")}\n${await compose("logs", "--tail", "3")}`);
}

/** Docker filter for the containers and volumes of the tests' project. */
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

/** Returns one value for each container of a service. @param template a Go template of `docker inspect`. */
export const inspectService = async (service: string, template: string): Promise<string[]> =>
  (await runDocker("inspect", "--format", template, ...(await containers(service)))).split("\n");

/** Sends a GET request from inside the stack. @returns the body. */
export const httpGet = (url: string): Promise<string> =>
  compose("exec", "-T", "prometheus", "wget", "-q", "-O", "-", url);

/** Limit of the smoke test's 95th percentile in milliseconds. Generous: it checks that writes arrive, not how fast. */
const MAX_P95_MS = 10_000;

/** Runs k6 in the stack: writes that both replicas and their caches must return. @throws {Error} with k6's summary. */
export const runSmokeTest = (iterations: number): Promise<string> =>
  compose("run", "--rm", "--no-deps", "--env", `ITERATIONS=${iterations}`, "--env", `P95_MS=${MAX_P95_MS}`, "k6");

/**
 * Runs `bun run chaos --compose` on the tests' project. TEST_DOCKER_EXEC is a command that runs its arguments where the
 * containers' published ports are reachable; it is empty when that is here.
 */
export async function runChaos(...flags: readonly string[]): Promise<{ status: number; output: string }> {
  const around = (process.env.TEST_DOCKER_EXEC ?? "").split(" ").filter(Boolean);
  const command = [process.execPath, "chaos/main.ts", "--compose", "--docker", process.env.TEST_DOCKER || "docker"];
  const ran = Bun.spawn([...around, ...command, ...flags], {
    cwd: join(import.meta.dirname, "../.."),
    env: { ...process.env, COMPOSE_PROJECT_NAME: PROJECT },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = await Promise.all([new Response(ran.stdout).text(), new Response(ran.stderr).text()]);
  return { status: await ran.exited, output: texts.join("\n").trim() };
}

/**
 * Crashes a service's only container: sends SIGKILL to its first process, so that Docker applies its restart policy.
 * If the engine runs on another machine, uses `docker kill` and `docker start` instead.
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
