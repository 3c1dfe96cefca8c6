/** A logger and metrics that do nothing: their work would be most of a run's. */
import { metrics as declared } from "../../contracts/metrics.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";

const nothing = () => {};

/** Writes nothing. */
export const silentLogger = Object.fromEntries(
  ["trace", "debug", "info", "warn", "error", "fatal"].map((level) => [level, nothing]),
) as unknown as Logger;

const instrument = { inc: nothing, dec: nothing, set: nothing, observe: nothing, remove: nothing };

/** Counts nothing. */
export const silentMetrics = {
  ...Object.fromEntries(Object.keys(declared).map((name) => [name, instrument])),
  onCollect: nothing,
} as unknown as Metrics;
