/** Runs operations that take longer than a request: at most one of each kind and replica at a time. */
import { RequestError } from "../../../contracts/errors.ts";

/** Operations that the page can start. */
export const jobKinds = ["verify", "repair", "rebuild"] as const;
/** One of {@link jobKinds}. */
export type JobKind = (typeof jobKinds)[number];

/**
 * One run of an operation, as the page shows it. States:
 * - running: until the work ends, also after a stop was requested.
 * - done: the work ended without an error; `result` has its figures.
 * - failed: the work threw; `problem` says why.
 * - stopped: the work ended after a stop was requested, with or without an error.
 */
export interface Job {
  /** Counts from 1 in each console process. */
  readonly number: number;
  readonly kind: JobKind;
  /** The replica that the job works on; null for all. */
  readonly name: string | null;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  state: "running" | "done" | "failed" | "stopped";
  /** Finished part of `total`, in rows or records; null until it is known. */
  done: number | null;
  /** Null when it is not known. */
  total: number | null;
  /** Error message; null unless the work failed. */
  problem: string | null;
  /** Figures by name, for example rows and differences; null until the job is done. */
  result: Readonly<Record<string, number>> | null;
}

/** What the work of a job gets: the stop signal, and a function that reports progress. */
export interface JobContext {
  readonly signal: AbortSignal;
  readonly progress: (done: number, total?: number) => void;
}

const MAX_JOBS = 10;
const PROGRESS_INTERVAL_MS = 250;

type Work = (context: JobContext) => Promise<Job["result"]>;

/** Starts, stops and remembers jobs: the last ten, in memory. */
export class JobRunner {
  private readonly jobs: { readonly job: Job; readonly ending: AbortController }[] = [];
  private lastNumber = 0;

  /** @param onChange called when a job starts or ends, and for its progress at most every 250 ms. */
  constructor(private readonly onChange: (job: Job) => void) {}

  /** The last ten jobs, newest last. */
  recent(): readonly Job[] {
    return this.jobs.map(({ job }) => job);
  }

  /**
   * Starts a job and returns without waiting for its end.
   *
   * @throws {RequestError} CONFLICT when a job of this kind and replica is running.
   */
  start(kind: JobKind, name: string | null, work: Work): Job {
    if (this.jobs.some(({ job }) => job.kind === kind && job.name === name && job.state === "running"))
      throw new RequestError(
        "CONFLICT",
        `A ${kind}${name ? ` of ${name}` : ""} is already running; wait until it ends, or stop it.`,
      );
    const job: Job = {
      ...{ number: ++this.lastNumber, kind, name, startedMs: Date.now(), state: "running" },
      ...{ done: null, total: null, problem: null, result: null },
    };
    const ending = new AbortController();
    this.jobs.push({ job, ending });
    if (this.jobs.length > MAX_JOBS) this.jobs.shift();
    this.onChange(job);
    void this.run(job, ending.signal, work);
    return job;
  }

  /** Requests that a job stops. @throws {RequestError} NOT_FOUND when no job with this number is running. */
  stop(number: number): void {
    const found = this.jobs.find(({ job }) => job.number === number && job.state === "running");
    if (!found) throw new RequestError("NOT_FOUND", `No job ${number} is running.`);
    found.ending.abort(new Error("stopped"));
  }

  /** Requests that all jobs stop. Does not wait for them. */
  close(): void {
    for (const { ending } of this.jobs) ending.abort(new Error("the console is stopping"));
  }

  private async run(job: Job, signal: AbortSignal, work: Work): Promise<void> {
    let reportedAt = Number.NEGATIVE_INFINITY;
    const progress = (done: number, total?: number) => {
      job.done = done;
      job.total = total ?? null;
      if (performance.now() - reportedAt < PROGRESS_INTERVAL_MS) return;
      reportedAt = performance.now();
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
