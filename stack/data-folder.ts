/** The folder that a stack keeps everything in: one folder per server, the logs, and what the data was made with. */
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

/** What cannot be changed any more once there is data. */
export interface Shape {
  readonly brokers: 1 | 3;
  /** Undefined: whatever the services' default was. */
  readonly partitions?: number | undefined;
}

const shapeFile = (data: string): string => join(data, "shape.json");

/**
 * Decides on the shape: what the data was made with, else what was asked for.
 *
 * @throws {UsageError} when both are there and differ.
 */
export function shapeFor({ data, brokers, partitions }: Pick<UpOptions, "data" | "brokers" | "partitions">): Shape {
  const file = shapeFile(data);
  const made = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Shape) : undefined;
  if (made && brokers !== undefined && brokers !== made.brokers) throw misfit(data, "--brokers", made.brokers);
  if (made && partitions !== undefined && partitions !== made.partitions)
    throw misfit(data, "--partitions", made.partitions ?? "not given");
  return made ?? { brokers: brokers ?? 1, partitions };
}

export const rememberShape = (data: string, shape: Shape): void =>
  writeFileSync(shapeFile(data), `${JSON.stringify(shape)}\n`);

const misfit = (data: string, flag: string, was: number | string) =>
  new UsageError(
    `the data in ${data} was made with ${flag} ${was}: leave the flag out, add --fresh to begin anew, or use another --data`,
  );

/** @throws {UsageError} when this user may not write there. */
export function makeDataFolder(data: string): void {
  try {
    mkdirSync(data, { recursive: true });
    mkdirSync(join(data, "logs"), { recursive: true, mode: 0o700 });
    accessSync(data, constants.W_OK);
  } catch (error) {
    throw new UsageError(`${data} cannot be used (${(error as Error).message}): choose another folder with --data DIR`);
  }
}

/** Folders and files of ours, so that `--fresh` never removes anything else, whatever folder it is pointed at. */
const ours = /^(auth|logs|redis|prometheus|jaeger|grafana|broker-\d|stream-\d|shape\.json)$/;

/** Removes all data of a stack that does not run. */
export function removeData(data: string): void {
  for (const name of existsSync(data) ? readdirSync(data) : []) {
    const path = join(data, name);
    if (name.endsWith("-db") && existsSync(join(path, "password"))) removeCluster(path);
    else if (ours.test(name)) rmSync(path, { recursive: true, force: true });
  }
}
