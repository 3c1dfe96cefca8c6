/** What takes longer than a request: verifications, repairs, rebuilds. One of a kind and name at a time; each can be stopped. */
import { RequestError } from "../../../contracts/errors.ts";

export const jobKinds = ["verify", "repair", "rebuild"] as const;
export type JobKind = (typeof jobKinds)[number];

export interface Job {
  readonly number: number;
  readonly kind: JobKind;
  /** The replica that it is about; null: all. */
  readonly name: string | null;
  readonly startedMs: number;
  state: "running" | "done" | "failed" | "stopped";
  /** How far it is, in whatever it counts; null while that is not known. */
  done: number | null;
  total: number | null;
  /** Why it failed, for people. */
  problem: string | null;
  /** What it found, by name. */
  result: Readonly<Record<string, number>> | null;
}

export interface JobContext {
  readonly signal: AbortSignal;
  readonly progress: (done: number, total?: number) => void;
}

const MOST_KEPT = 10;
const TELL_EVERY_MS = 250;

export class Jobs {
  private readonly all: { readonly job: Job; readonly ending: AbortController }[] = [];
  private number = 0;

  /** @param onChange is told when something is new about a job. */
  constructor(private readonly onChange: (job: Job) => void) {}

  /** Newest last. */
  recent(): readonly Job[] {
    return this.all.map(({ job }) => job);
  }

  /** Begins a job and comes back. @throws {RequestError} CONFLICT when one of this kind and name runs already. */
  start(kind: JobKind, name: string | null, work: (context: JobContext) => Promise<Job["result"]>): Job {
    if (this.all.some(({ job }) => job.kind === kind && job.name === name && job.state === "running"))
      throw new RequestError("CONFLICT", `There is a ${kind} under way${name ? ` of ${name}` : ""}; wait for its end.`);
    const job: Job = {
      ...{ number: ++this.number, kind, name, startedMs: Date.now(), state: "running" },
      ...{ done: null, total: null, problem: null, result: null },
    };
    const ending = new AbortController();
    this.all.push({ job, ending });
    if (this.all.length > MOST_KEPT) this.all.shift();
    this.onChange(job);
    void this.run(job, ending.signal, work);
    return job;
  }

  /** @throws {RequestError} NOT_FOUND when no such job is under way. */
  stop(number: number): void {
    const found = this.all.find(({ job }) => job.number === number && job.state === "running");
    if (!found) throw new RequestError("NOT_FOUND", `No job ${number} is under way.`);
    found.ending.abort(new Error("stopped"));
  }

  close(): void {
    for (const { ending } of this.all) ending.abort(new Error("the console stops"));
  }

  private async run(
    job: Job,
    signal: AbortSignal,
    work: (context: JobContext) => Promise<Job["result"]>,
  ): Promise<void> {
    let toldAt = Number.NEGATIVE_INFINITY;
    const progress = (done: number, total?: number) => {
      job.done = done;
      job.total = total ?? null;
      if (performance.now() - toldAt < TELL_EVERY_MS) return;
      toldAt = performance.now();
      this.onChange(job);
    };
    try {
      job.result = await work({ signal, progress });
      job.state = signal.aborted ? "stopped" : "done";
    } catch (error) {
      job.state = signal.aborted ? "stopped" : "failed";
      job.problem = error instanceof Error ? error.message : String(error);
    }
    this.onChange(job);
  }
}
