/** Sends kafkajs' log lines to the logger of this process, at level debug: its errors are mostly retried. */
import { type LogEntry, logLevel } from "kafkajs";
import type { Logger } from "../../observability/logger.ts";

/**
 * Returns kafkajs' options `level` and `logCreator`. kafkajs' debug lines are written at level trace. kafkajs formats
 * no line that the logger would drop.
 */
export function kafkajsLogging(logger: Logger) {
  return {
    level: logger.isLevelEnabled("trace")
      ? logLevel.DEBUG
      : logger.isLevelEnabled("debug")
        ? logLevel.INFO
        : logLevel.NOTHING,
    logCreator:
      () =>
      ({ namespace, level, log: { message, timestamp: _, logger: __, ...details } }: LogEntry) => {
        const line = level === logLevel.DEBUG ? "trace" : "debug";
        logger[line]({ kafkajs: namespace, ...details }, message);
      },
  };
}
