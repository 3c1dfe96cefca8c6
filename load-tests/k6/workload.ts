/** The entity that the k6 scripts write: documents and changes that `bun run load` has made from the declarations. */

/** What `bun run load workload` prints. */
interface Workload {
  /** Path of the collection. */
  readonly collection: string;
  /** Text in `inputs` that stands for a text of its own in each document. */
  readonly unique: string;
  /** Documents as JSON. Each matches the filter of every replica of the entity. */
  readonly inputs: readonly string[];
  /** Merge patches. The changed entity still matches. */
  readonly changes: readonly Record<string, unknown>[];
}

const text = __ENV.WORKLOAD || (__ENV.WORKLOAD_FILE ? open(__ENV.WORKLOAD_FILE) : undefined);
if (!text)
  throw new Error(
    "neither WORKLOAD nor WORKLOAD_FILE is set: bun run load sets WORKLOAD, bun run load workload prints it",
  );
const workload = JSON.parse(text) as Workload;

const uniqueText = (): string => `k6-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

const randomOf = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

/** Path of the collection. */
export const { collection } = workload;

/** A document that every replica of the entity keeps, as JSON. */
export const newDocument = (): string => randomOf(workload.inputs).replaceAll(workload.unique, uniqueText());

/** A merge patch, often with another value than the one before. */
export const change = (): Record<string, unknown> => randomOf(workload.changes);
