/** The data folder of a stack: a folder per server, the logs, and the shape that the data was created with. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type UpOptions, UsageError } from "./options.ts";
import { removeCluster } from "./servers/cluster-home.ts";

/** Options that cannot change once there is data. */
export interface Shape {
  readonly brokers: 1 | 3;
  /** Undefined: the services' default at that time. */
  readonly partitions?: number | undefined;
}

const shapeFile = (data: string): string => join(data, "shape.json");

/**
 * The shape of existing data, or of the options for new data.
 *
 * @throws {UsageError} when an option contradicts existing data.
 */
export function resolveShape({ data, brokers, partitions }: Pick<UpOptions, "data" | "brokers" | "partitions">): Shape {
  const file = shapeFile(data);
  const existing = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Shape) : undefined;
  if (!existing) return { brokers: brokers ?? 1, partitions };
  if (brokers !== undefined && brokers !== existing.brokers) throw shapeMismatch(data, "--brokers", existing.brokers);
  if (partitions !== undefined && partitions !== existing.partitions)
    throw shapeMismatch(data, "--partitions", existing.partitions ?? "not set");
  return existing;
}

/** Stores the shape beside the data. */
export const writeShape = (data: string, shape: Shape): void =>
  writeFileSync(shapeFile(data), `${JSON.stringify(shape)}\n`);

const shapeMismatch = (data: string, flag: string, existing: number | string) =>
  new UsageError(
    `the data in ${data} was created with ${flag} ${existing}: omit the flag, remove the data with --fresh, or use another --data`,
  );

/** Creates the folder and its `logs`. @throws {UsageError} when this user may not write there. */
export function createDataFolder(data: string): void {
  try {
    mkdirSync(data, { recursive: true });
    mkdirSync(join(data, "logs"), { recursive: true, mode: 0o700 });
    accessSync(data, constants.W_OK);
  } catch (error) {
    throw new UsageError(`${data} cannot be used (${(error as Error).message}): choose another folder with --data DIR`);
  }
}

/** Names that a stack creates. `--fresh` removes only these, whatever else is in the folder. */
const stackFiles = /^(auth|logs|redis|prometheus|jaeger|grafana|broker-\d|stream-\d|shape\.json)$/;

/** Removes all data of a stack. The stack must not be running. */
export function removeData(data: string): void {
  for (const name of existsSync(data) ? readdirSync(data) : []) {
    const path = join(data, name);
    if (name.endsWith("-db") && existsSync(join(path, "password"))) removeCluster(path);
    else if (stackFiles.test(name)) rmSync(path, { recursive: true, force: true });
  }
}
