/** Runs Docker, or what takes its arguments. */
import { join } from "node:path";
import { UserError } from "../../contracts/errors.ts";

const root = join(import.meta.dirname, "../..");
/** Number of last characters of a failed command's output that the error contains. */
const MAX_ERROR_CHARS = 3_000;

/** How a command ended. */
export interface CommandOutput {
  readonly status: number;
  readonly stdout: string;
  /** Standard output and standard error. */
  readonly all: string;
}

/** Runs commands in the repository's folder. */
export class Docker {
  /** @param command `docker`, or several words such as `sudo docker`. */
  constructor(private readonly command: string) {}

  /** Runs `docker ARGS…`. Resolves with its status and output. */
  async try(...args: readonly string[]): Promise<CommandOutput> {
    const ran = Bun.spawn([...this.command.split(" "), ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr] = await Promise.all([new Response(ran.stdout).text(), new Response(ran.stderr).text()]);
    return { status: await ran.exited, stdout: stdout.trim(), all: `${stdout}\n${stderr}`.trim() };
  }

  /** Like {@link try}. @returns its stdout. @throws {UserError} with its output when its status is not 0. */
  async run(...args: readonly string[]): Promise<string> {
    const { status, stdout, all } = await this.try(...args);
    if (status !== 0)
      throw new UserError(`docker ${args.join(" ")} ended with ${status}\n${all.slice(-MAX_ERROR_CHARS)}`);
    return stdout;
  }
}
