/** One service as a process of its own, with the settings of a test. */
import { join } from "node:path";
import { eventually } from "./eventually.ts";

const root = join(import.meta.dir, "../..");

/** Ended with this. */
export class ServiceProcess implements AsyncDisposable {
  /** All that it has said until now. */
  output = "";
  private readonly child;
  private readonly outputEnded: Promise<unknown>;

  constructor(
    /** `gateway`, `replica catalog`. */
    verb: string,
    readonly env: Record<string, string>,
  ) {
    this.child = Bun.spawn([process.execPath, "lockstep.ts", ...verb.split(" ")], {
      cwd: root,
      env: { PATH: process.env.PATH, LOCKSTEP_LOG_LEVEL: "trace", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const keep = async (from: ReadableStream<Uint8Array>) => {
      const decoder = new TextDecoder();
      for await (const bytes of from) this.output += decoder.decode(bytes, { stream: true });
    };
    this.outputEnded = Promise.all([keep(this.child.stdout), keep(this.child.stderr)]);
  }

  get url(): string {
    return `http://127.0.0.1:${this.env.PORT}`;
  }

  /** Resolves when it is ready. */
  untilReady(): Promise<unknown> {
    return eventually(async () => (await fetch(`${this.url}/health/ready`)).ok, {
      timeoutMs: 30_000,
      what: "it to be up",
    });
  }

  /** @returns its exit status. */
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
