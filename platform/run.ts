/**
 * Runs one service as a process: reads settings, starts it, stops it on SIGTERM or SIGINT, and ends the process when it
 * cannot go on. Crash-only: whatever is not known to be whole ends here, and start-up is the recovery.
 */
import { hostname } from "node:os";
import { createLogger, type Logger } from "../observability/logger.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { measureRuntime } from "../observability/runtime.ts";
import { startTelemetry } from "../observability/telemetry.ts";
import type { Service } from "./service.ts";
import { readSettings, type Settings, SettingsError, telemetryOptionsOf } from "./settings/settings.ts";
import { VERSION } from "./version.ts";

export interface ServiceDeps {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Never resolves before the process ends. Exit status: 0 after a stop, 1 when the service failed, 2 for wrong settings. */
export async function runService(name: string, start: (running: ServiceDeps) => Promise<Service>): Promise<never> {
  let settings: Settings;
  try {
    settings = readSettings(process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    endWith(name, error);
  }
  const instance = settings.LOCKSTEP_INSTANCE ?? hostname();
  const logger = createLogger(name, instance, settings.LOCKSTEP_LOG_LEVEL);
  const metrics = createMetrics(name, instance);
  measureRuntime(metrics, VERSION);
  const telemetry = await startTelemetry({ service: name, instance, version: VERSION }, telemetryOptionsOf(settings), {
    logger,
    metrics,
  });

  const finish = async (status: number): Promise<never> => {
    await telemetry.flush();
    process.exit(status);
  };
  const crash = (error: unknown) => {
    logger.fatal({ err: error }, "cannot go on; the process ends so that its supervisor starts it anew");
    void finish(1);
    // A flush that hangs must not keep a broken process alive.
    setTimeout(() => process.exit(1), 500);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);

  giveMemoryBack();
  let service: Service | undefined;
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, "stopping");
    setTimeout(() => {
      logger.error({ afterMs: settings.LOCKSTEP_SHUTDOWN_MS }, "work under way did not finish in time");
      process.exit(1);
    }, settings.LOCKSTEP_SHUTDOWN_MS);
    if (!service) process.exit(0);
    service.stop().then(() => {
      logger.info("stopped");
      void finish(0);
    }, crash);
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));

  try {
    service = await start({ settings, logger, metrics });
    logger.info({ version: VERSION, pid: process.pid, afterMs: Math.round(process.uptime() * 1_000) }, "started");
    await service.ended;
    if (!stopping) throw new Error("the service ended by itself");
  } catch (error) {
    if (error instanceof SettingsError) endWith(name, error);
    if (!stopping) crash(error);
  }
  return new Promise<never>(() => {});
}

function endWith(name: string, { message }: SettingsError): never {
  console.error(`lockstep ${name}: ${message}`);
  process.exit(2);
}

const LOOK_EVERY_MS = 500;
/** Shares of one core: on a full machine no service ever has half of one. */
const BURST = 0.2;
const IDLE = 0.1;
const BURST_BYTES = 100 * 1024 * 1024;
/** Looks in a row, two seconds: a steady load that goes up and down is neither a burst nor its end. */
const IN_A_ROW = 4;

/** After a burst the engine keeps its heap for the next one. Here it is collected once, when the process has had little to do for a while. */
function giveMemoryBack(): void {
  let cpu = process.cpuUsage();
  let busy = 0;
  let idle = 0;
  let burst = false;
  const timer = setInterval(() => {
    const used = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const share = (used.user + used.system) / 1_000 / LOOK_EVERY_MS;
    busy = share > BURST ? busy + 1 : 0;
    idle = share < IDLE ? idle + 1 : 0;
    burst ||= busy >= IN_A_ROW;
    if (!burst || idle < IN_A_ROW || process.memoryUsage.rss() < BURST_BYTES) return;
    burst = false;
    Bun.gc(true);
  }, LOOK_EVERY_MS);
  timer.unref();
}
