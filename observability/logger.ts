/** Structured logs: one JSON line per thing that matters, on standard output. */
import { type Logger, pino, stdTimeFunctions } from "pino";

export type { Logger };

/** A logger for one service. Writes synchronously, so that no line is lost when the process ends. */
export function createLogger(service: string, instance: string, level: string): Logger {
  return pino(
    {
      level,
      base: { service, instance },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ["*.password", "*.url", "password", "url"], censor: "(hidden)" },
    },
    pino.destination({ fd: 1, sync: true }),
  );
}
