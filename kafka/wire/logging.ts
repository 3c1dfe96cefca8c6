/** kafkajs' log lines in ours: at debug, because what it calls an error is mostly a broker that is away and will be retried. */
import { type LogEntry, logLevel } from "kafkajs";
import type { Logger } from "../../observability/logger.ts";

/** For kafkajs' `logLevel` and `logCreator`. Lines below its "info" are not even made unless ours is at trace. */
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
