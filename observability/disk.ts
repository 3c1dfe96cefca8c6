/** Free space on the disk of a service's folder. */
import { statfs } from "node:fs/promises";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

const INTERVAL_MS = 10_000;

/**
 * Reports every 10 s. If the file system cannot be read, it logs one warning and keeps the last values.
 *
 * @returns a function that stops reporting.
 */
export function reportDisk(
  folder: string,
  { metrics, logger }: { metrics: Pick<Metrics, "diskFree" | "diskSize">; logger: Logger },
): () => void {
  let warned = false;
  const report = async () => {
    try {
      const { bavail, blocks, bsize } = await statfs(folder);
      metrics.diskFree.set({ folder }, bavail * bsize);
      metrics.diskSize.set({ folder }, blocks * bsize);
    } catch (error) {
      if (!warned)
        logger.warn({ err: error, folder }, "the free disk space cannot be read; its metrics are out of date");
      warned = true;
    }
  };
  void report();
  const timer = setInterval(report, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
