/** Records what writers got acknowledged, and compares it with the log. */
import type { Log, StoredRecord } from "../../kafka/log.ts";

interface Acknowledged {
  readonly value: string;
  /** The offset that the writer got, or undefined when its client does not return one. */
  readonly offset: number | undefined;
}

/** All writes of one load. */
export class Ledger {
  readonly acknowledged = new Map<number, Acknowledged[]>();
  /** Values of rejected writes: each may be in the log once, or not. */
  readonly unknownOutcome = new Set<string>();

  /** Adds an acknowledged write. @param first offset of its first record, if known. */
  acknowledge(partition: number, values: readonly string[], first: number | undefined): void {
    const all = this.acknowledged.get(partition) ?? [];
    this.acknowledged.set(partition, all);
    for (const [i, value] of values.entries()) all.push({ value, offset: first === undefined ? undefined : first + i });
  }

  get count(): number {
    return [...this.acknowledged.values()].reduce((sum, records) => sum + records.length, 0);
  }
}

/** The number of acknowledged records, and of each kind of fault among them. */
export interface Findings {
  acknowledged: number;
  /** Acknowledged and not in the log. */
  lost: number;
  /** In the log more than once. */
  duplicated: number;
  /** Stored in another order than acknowledged. */
  reordered: number;
  /** Stored at another offset than the writer got. */
  misplaced: number;
  /** In the log, and not written by this ledger's writers. */
  foreign: number;
}

/** An acknowledged record may be invisible for this long: a committed transaction is safe before it is readable. */
const VISIBLE_TIMEOUT_MS = 3_000;

/** Reads the whole topic with the seam and compares it with a ledger of any client. */
export async function compare(log: Log, topic: string, ledger: Ledger): Promise<Findings> {
  const deadline = Date.now() + VISIBLE_TIMEOUT_MS;
  for (;;) {
    const findings = await compareNow(log, topic, ledger);
    if (findings.lost === 0 || Date.now() > deadline) return findings;
    await Bun.sleep(100);
  }
}

async function compareNow(log: Log, topic: string, ledger: Ledger): Promise<Findings> {
  const findings = { acknowledged: ledger.count, lost: 0, duplicated: 0, reordered: 0, misplaced: 0, foreign: 0 };
  for (const [partition, { next }] of await log.offsets(topic)) {
    const stored: StoredRecord[] = [];
    for await (const records of log.read({ topic, partition }, 0, next)) stored.push(...records);
    addFindings(findings, stored, ledger.acknowledged.get(partition) ?? [], ledger.unknownOutcome);
  }
  return findings;
}

function addFindings(
  findings: Findings,
  stored: readonly StoredRecord[],
  acknowledged: readonly Acknowledged[],
  unknownOutcome: ReadonlySet<string>,
): void {
  const byValue = Map.groupBy(stored, (record) => String(record.value));
  const expected = new Set(acknowledged.map(({ value }) => value));
  for (const [value, copies] of byValue) {
    if (copies.length > 1) findings.duplicated++;
    if (!expected.has(value) && !unknownOutcome.has(value)) findings.foreign++;
  }
  let lastOffset = -1;
  for (const { value, offset } of acknowledged) {
    const storedOffset = byValue.get(value)?.[0]?.offset;
    if (storedOffset === undefined) findings.lost++;
    else {
      if (storedOffset < lastOffset) findings.reordered++;
      if (offset !== undefined && storedOffset !== offset) findings.misplaced++;
      lastOffset = storedOffset;
    }
  }
}

/** True when records were acknowledged and none of them has a fault. */
export const isSound = ({ acknowledged, ...faults }: Findings): boolean =>
  acknowledged > 0 && Object.values(faults).every((count) => count === 0);

/** Returns for example "lost 3, duplicated 1 of 480", or "0 faults of 480". */
export const summary = ({ acknowledged, ...faults }: Findings): string => {
  const found = Object.entries(faults).filter(([, count]) => count > 0);
  return `${found.map(([name, count]) => `${name} ${count}`).join(", ") || "0 faults"} of ${acknowledged}`;
};
