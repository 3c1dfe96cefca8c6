/** Watches whether every change of the source's tables is captured: the condition `capture-incomplete`. */
import type { Sql } from "postgres";
import type { Project } from "../contracts/project.ts";
import type { Logger } from "../observability/logger.ts";
import { captureProblemText, readCaptureProblems } from "../pipeline/capture-problems.ts";
import type { Check } from "../platform/service.ts";
import catalogStateText from "./catalog-state.sql" with { type: "text" };

/** Age of the last answer from which capture counts as not checked, in milliseconds. */
const MAX_AGE_MS = 30_000;
/** Age of the last full check, in milliseconds, from which it is repeated although the catalogs have not changed. */
const MAX_FULL_CHECK_AGE_MS = 60_000;

/** A full check that succeeded. */
interface FullCheck {
  /** What it found; undefined when capture is whole. */
  readonly found: string | undefined;
  /** The catalog before it. */
  readonly catalogState: string;
  /** When it ended, in milliseconds of `performance.now`. */
  readonly atMs: number;
}

/** The leading relay refreshes it at an interval. A relay on standby has no problem. */
export class CaptureWatch {
  /** What is wrong, or why that is not known; undefined while capture is whole. */
  private found: string | undefined;
  /** When the last check ended, in milliseconds of `performance.now`; undefined on standby. */
  private checkedAt: number | undefined;
  private isRefreshing = false;
  private fullCheck: FullCheck | undefined;

  readonly check: Check = {
    condition: "capture-incomplete",
    blocksReadiness: false,
    problem: () => this.found ?? this.overdue(),
  };

  constructor(private readonly deps: { readonly logger: Logger; readonly project: Pick<Project, "allEntities"> }) {}

  /**
   * Checks the capture of all tables. Never rejects: a check that fails is a problem. It does nothing while an earlier
   * one waits for the database.
   */
  async refresh(sql: Sql): Promise<void> {
    if (this.isRefreshing) return;
    this.isRefreshing = true;
    this.checkedAt ??= performance.now();
    const found = await this.findProblems(sql).catch(
      (error: Error) => `capture could not be checked: ${error.message}`,
    );
    this.isRefreshing = false;
    this.checkedAt = performance.now();
    this.report(found);
  }

  /** A full check takes the database about 20 ms. So it runs when the catalogs have changed, and once per minute. */
  private async findProblems(sql: Sql): Promise<string | undefined> {
    const rows = await sql.unsafe<{ state: string }[]>(catalogStateText, [], { prepare: true });
    const catalogState = rows[0]?.state ?? "";
    const last = this.fullCheck;
    if (last?.catalogState === catalogState && performance.now() - last.atMs < MAX_FULL_CHECK_AGE_MS) return last.found;
    const problems = await readCaptureProblems(sql, this.deps.project);
    const found = problems.map(captureProblemText).join("; ") || undefined;
    this.fullCheck = { found, catalogState, atMs: performance.now() };
    return found;
  }

  private report(found: string | undefined): void {
    if (found === this.found) return;
    if (found) this.deps.logger.error({ problem: found }, "changes of the source are not captured");
    else this.deps.logger.info("all changes of the source are captured again");
    this.found = found;
  }

  private overdue(): string | undefined {
    const age = performance.now() - (this.checkedAt ?? performance.now());
    return age > MAX_AGE_MS ? `capture was last checked ${Math.round(age / 1_000)} s ago` : undefined;
  }
}
