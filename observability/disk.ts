/** How much room is left on the disk that a service keeps its own folder on. */
import { statfs } from "node:fs/promises";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

const EVERY_MS = 10_000;

/** Reports until the returned function is called; a disk that cannot be asked is logged once and keeps its last figures. */
export function reportDisk(
  folder: string,
  { metrics, logger }: { metrics: Pick<Metrics, "diskFree" | "diskSize">; logger: Logger },
): () => void {
  let warned = false;
  const look = async () => {
    try {
      const { bavail, blocks, bsize } = await statfs(folder);
      metrics.diskFree.set({ folder }, bavail * bsize);
      metrics.diskSize.set({ folder }, blocks * bsize);
    } catch (error) {
      if (!warned) logger.warn({ err: error, folder }, "the disk does not tell its room");
      warned = true;
    }
  };
  void look();
  const timer = setInterval(look, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
