/** What an operator would ask of a system: `lockstep status`, `verify` and `resync`, in this process. */
import type { Project } from "../contracts/project.ts";
import { createLogger } from "../observability/logger.ts";
import { ConditionReader } from "../operations/conditions/condition-reader.ts";
import { type Addresses, Connections } from "../operations/connect.ts";
import { resyncText } from "../operations/resync/command.ts";
import { resync } from "../operations/resync/resync.ts";
import { reportText } from "../operations/verify/report.ts";
import { verdictOf } from "../operations/verify/verify.ts";
import { verifyReplicas } from "../operations/verify/verify-replicas.ts";
import type { Settings } from "../platform/settings/settings.ts";
import type { Verification } from "./system.ts";

const PART_TIMEOUT_MS = 2_500;
/** Seconds that a replica may take to catch up before the comparison. */
const VERIFY_WITHIN_SECONDS = 15;
const RESYNC_WITHIN_SECONDS = 60;
/** Rows per second that a resync sends. */
const RESYNC_RATE = 2_000;

/** Asks one system. */
export class Operator implements AsyncDisposable {
  private readonly connections: Connections;
  private readonly reader: ConditionReader;
  /** Never rejects. */
  private lastResync: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly project: Project,
    private readonly addresses: Addresses,
    private readonly settings: Settings,
  ) {
    this.connections = this.connect();
    this.reader = new ConditionReader(this.connections, project, { timeoutMs: PART_TIMEOUT_MS, verifyEverySeconds: 0 });
  }

  /** Names of the conditions that are present. A part that cannot be read is a condition. */
  async conditions(): Promise<string[]> {
    const { conditions } = await this.reader.read();
    return [...new Set(conditions.map(({ condition }) => condition))];
  }

  /** Compares all replicas and caches with the source. @throws {Error} when the source or the log does not respond. */
  async verify(): Promise<Verification> {
    const scope = { cache: true, share: 1, within: VERIFY_WITHIN_SECONDS };
    // As each run of the verb: a session that began while its database was read-only stays read-only.
    await using connections = this.connect();
    const results = await verifyReplicas(this.contextOf(connections), scope);
    const verdicts = results.map(verdictOf);
    const verdict = (["differs", "unknown"] as const).find((one) => verdicts.includes(one)) ?? "equal";
    return { verdict, text: reportText(results) };
  }

  /**
   * Sends every row of the source again, after the log has lost records. One resync runs at a time.
   *
   * @throws {Error} when a part does not respond.
   */
  resync(): Promise<{ equal: boolean; text: string }> {
    const result = this.lastResync.then(() => this.resyncNow());
    this.lastResync = result.catch(() => {});
    return result;
  }

  private async resyncNow(): Promise<{ equal: boolean; text: string }> {
    const scope = { rate: RESYNC_RATE, within: RESYNC_WITHIN_SECONDS };
    await using connections = this.connect();
    const result = await resync({ ...this.contextOf(connections), settings: this.settings }, scope);
    return { equal: result.equal, text: resyncText(result) };
  }

  private contextOf(connections: Connections) {
    return { connections, project: this.project, progress: () => {}, signal: new AbortController().signal };
  }

  private connect(): Connections {
    return new Connections(this.addresses, createLogger("chaos", "1", "silent"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connections[Symbol.asyncDispose]();
  }
}
