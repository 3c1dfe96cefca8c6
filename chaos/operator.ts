/** What an operator would ask a system: `lockstep status` and `lockstep verify`, in this process. */
import { createLogger } from "../observability/logger.ts";
import { ConditionReader } from "../operations/conditions/condition-reader.ts";
import { type Addresses, Connections } from "../operations/connect.ts";
import { reportText } from "../operations/verify/report.ts";
import { verdictOf } from "../operations/verify/verify.ts";
import { verifyReplicas } from "../operations/verify/verify-replicas.ts";

const PART_TIMEOUT_MS = 2_500;
/** Seconds that a replica may take to catch up before the comparison. */
const VERIFY_WITHIN_SECONDS = 15;

/** Asks one system. */
export class Operator implements AsyncDisposable {
  private readonly connections: Connections;
  private readonly reader: ConditionReader;

  constructor(addresses: Addresses) {
    this.connections = new Connections(addresses, createLogger("chaos", "1", "silent"));
    this.reader = new ConditionReader(this.connections, { timeoutMs: PART_TIMEOUT_MS, verifyEverySeconds: 0 });
  }

  /** Names of the conditions that are present. A part that cannot be read is a condition. */
  async conditions(): Promise<string[]> {
    const { conditions } = await this.reader.read();
    return [...new Set(conditions.map(({ condition }) => condition))];
  }

  /** Compares all replicas and caches with the source. @throws {Error} when the source or the log does not respond. */
  async verify(): Promise<{ equal: boolean; text: string }> {
    const scope = { cache: true, share: 1, within: VERIFY_WITHIN_SECONDS };
    const context = { connections: this.connections, progress: () => {}, signal: new AbortController().signal };
    const results = await verifyReplicas(context, scope);
    return { equal: results.every((result) => verdictOf(result) === "equal"), text: reportText(results) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connections[Symbol.asyncDispose]();
  }
}
