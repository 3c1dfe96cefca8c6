/** Structured logs: one JSON object per line, on standard output. */
import { type Logger, pino, stdTimeFunctions } from "pino";

export type { Logger };

/** Members that are never written, at any of three levels: a URL may contain a password, a header a token. */
const SECRET = ["password", "url", "authorization", "token"];

/** Creates the logger of one service. It writes synchronously, so no line is lost when the process ends. */
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
