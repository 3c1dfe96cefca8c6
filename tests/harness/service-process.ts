/** Runs one service of Lockstep as a separate process with the settings of a test. */
import { join } from "node:path";
import { configFile } from "../project/index.ts";
import { eventually } from "./eventually.ts";

const root = join(import.meta.dir, "../..");

/** A running service. Disposing it kills the process and waits for its exit. */
export class ServiceProcess implements AsyncDisposable {
  /** Everything the process has written to stdout and stderr so far. */
  output = "";
  private readonly child;
  private readonly outputEnded: Promise<unknown>;

  constructor(
    /** Arguments of `lockstep`: `gateway`, `replica catalog`. */
    command: string,
    readonly env: Record<string, string>,
  ) {
    this.child = Bun.spawn([process.execPath, "lockstep.ts", ...command.split(" ")], {
      cwd: root,
      env: { PATH: process.env.PATH, LOCKSTEP_CONFIG: configFile, LOCKSTEP_LOG_LEVEL: "trace", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const keep = async (from: ReadableStream<Uint8Array>) => {
      const decoder = new TextDecoder();
      for await (const bytes of from) this.output += decoder.decode(bytes, { stream: true });
    };
    this.outputEnded = Promise.all([keep(this.child.stdout), keep(this.child.stderr)]);
  }

  /** Base URL of its HTTP server. Needs PORT in the settings. */
  get url(): string {
    return `http://127.0.0.1:${this.env.PORT}`;
  }

  /** Resolves when `/health/ready` answers 200. @throws {Error} after 30 s. */
  untilReady(): Promise<unknown> {
    return eventually(async () => (await fetch(`${this.url}/health/ready`)).ok, {
      timeoutMs: 30_000,
      what: `${this.url} to be ready`,
    });
  }

  /** Resolves with the exit status once all output has been read. */
  async exitStatus(): Promise<number> {
    const status = await this.child.exited;
    await this.outputEnded;
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exitStatus();
  }
}
