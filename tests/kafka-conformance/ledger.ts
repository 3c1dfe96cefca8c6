/** What writers were told, and how it compares with what the log has. */
import type { Log, StoredRecord } from "../../kafka/log.ts";

export interface Acknowledged {
  readonly value: string;
  /** Where the writer was told that it is; undefined when its client does not tell. */
  readonly offset: number | undefined;
}

export class Ledger {
  readonly acknowledged = new Map<number, Acknowledged[]>();
  /** Rejected writes: each value may be in the log once, or not. */
  readonly unknownOutcome = new Set<string>();

  acknowledge(partition: number, values: readonly string[], first: number | undefined): void {
    const all = this.acknowledged.get(partition) ?? [];
    this.acknowledged.set(partition, all);
    for (const [i, value] of values.entries()) all.push({ value, offset: first === undefined ? undefined : first + i });
  }

  get count(): number {
    return [...this.acknowledged.values()].reduce((sum, of) => sum + of.length, 0);
  }
}

/** Everything that can be wrong; all zero is right. */
export interface Findings {
  acknowledged: number;
  /** Acknowledged and not in the log. */
  lost: number;
  /** In the log more than once. */
  doubled: number;
  /** Acknowledged in another order than stored. */
  reordered: number;
  /** Stored at another offset than the writer was told. */
  misplaced: number;
  /** In the log, and never written by this ledger's writers. */
  unknown: number;
}

/** How long an acknowledged record may stay unseen: the commit of a transaction is safe before it is readable. */
const SEEN_WITHIN_MS = 3_000;

/** Reads the whole topic and compares. Works on any client's ledger; reads with the seam. */
export async function compare(log: Log, topic: string, ledger: Ledger): Promise<Findings> {
  const deadline = Date.now() + SEEN_WITHIN_MS;
  for (;;) {
    const findings = await compareNow(log, topic, ledger);
    if (findings.lost === 0 || Date.now() > deadline) return findings;
    await Bun.sleep(100);
  }
}

async function compareNow(log: Log, topic: string, ledger: Ledger): Promise<Findings> {
  const findings = { acknowledged: ledger.count, lost: 0, doubled: 0, reordered: 0, misplaced: 0, unknown: 0 };
  for (const [partition, { next }] of await log.offsets(topic)) {
    const stored: StoredRecord[] = [];
    for await (const records of log.read({ topic, partition }, 0, next)) stored.push(...records);
    add(findings, stored, ledger.acknowledged.get(partition) ?? [], ledger.unknownOutcome);
  }
  return findings;
}

function add(
  findings: Findings,
  stored: readonly StoredRecord[],
  acknowledged: readonly Acknowledged[],
  unsure: ReadonlySet<string>,
): void {
  const places = Map.groupBy(stored, (record) => String(record.value));
  const known = new Set(acknowledged.map(({ value }) => value));
  for (const [value, at] of places) {
    if (at.length > 1) findings.doubled++;
    if (!known.has(value) && !unsure.has(value)) findings.unknown++;
  }
  let last = -1;
  for (const { value, offset } of acknowledged) {
    const place = places.get(value)?.[0]?.offset;
    if (place === undefined) findings.lost++;
    else {
      if (place < last) findings.reordered++;
      if (offset !== undefined && place !== offset) findings.misplaced++;
      last = place;
    }
  }
}

/** Whether nothing was lost, doubled, reordered, misplaced or strange. */
export const isSound = ({ acknowledged, ...faults }: Findings): boolean =>
  acknowledged > 0 && Object.values(faults).every((count) => count === 0);

/** "lost 3, doubled 1", or "0 faults". */
export const summary = ({ acknowledged, ...faults }: Findings): string => {
  const some = Object.entries(faults).filter(([, count]) => count > 0);
  return `${some.map(([name, count]) => `${name} ${count}`).join(", ") || "0 faults"} of ${acknowledged}`;
};
