/** Structured logs: one JSON line per thing that matters, on standard output. */
import { type Logger, pino, stdTimeFunctions } from "pino";

export type { Logger };

/** Never written, wherever they stand in a line: a URL may hold a password, a header a token. */
const SECRET = ["password", "url", "authorization", "token"];

/** A logger for one service. Writes synchronously, so that no line is lost when the process ends. */
export function createLogger(service: string, instance: string, level: string): Logger {
  return pino(
    {
      level,
      base: { service, instance },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "(hidden)" },
    },
    pino.destination({ fd: 1, sync: true }),
  );
}
