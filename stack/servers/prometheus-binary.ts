/** Prometheus' programs: the machine's own, else out of Debian's package, unpacked once per machine and never installed. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cached, MissingComponentError, type Outcome, reasonIn, run, withProgress } from "./machine-cache.ts";
import type { StartOptions } from "./server.ts";

const OTHERWISE = "put prometheus and promtool on the PATH (https://prometheus.io/download)";

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/**
 * Gives the paths of both programs.
 *
 * @throws {MissingComponentError} when the machine has neither them nor apt to bring them.
 */
export async function prometheusPrograms(waiting: StartOptions): Promise<PrometheusPrograms> {
  const own = await Promise.all(["prometheus", "promtool"].map((program) => run(program, ["--version"])));
  if (own.every(({ status }) => status === 0)) return { prometheus: "prometheus", promtool: "promtool" };
  const folder = await cached(
    `prometheus-debian-${process.arch}`,
    (into) =>
      withProgress(
        "fetching Prometheus from the system's packages (19 MB, once per machine)",
        () => unpack(into, waiting),
        waiting,
      ),
    waiting,
  );
  const bin = join(folder, "usr/bin");
  return { prometheus: join(bin, "prometheus"), promtool: join(bin, "promtool") };
}

async function unpack(into: string, { signal }: StartOptions): Promise<void> {
  const fetched = await download(into, signal);
  if (fetched.status === 127)
    throw new MissingComponentError("Prometheus is not on this machine, nor apt-get to bring it", OTHERWISE);
  const package_ = readdirSync(into).find((name) => name.endsWith(".deb"));
  if (fetched.status !== 0 || !package_)
    throw new MissingComponentError(`Prometheus could not be fetched (${reasonIn(fetched.output)})`, OTHERWISE);
  const unpacked = await run("dpkg-deb", ["-x", join(into, package_), into]);
  if (unpacked.status !== 0)
    throw new MissingComponentError(`Prometheus could not be unpacked (${reasonIn(unpacked.output)})`, OTHERWISE);
  for (const used of [package_, "apt"]) rmSync(join(into, used), { recursive: true, force: true });
}

/** Package lists may be missing, as they are in most images: they are then read into a folder of our own, which no root is needed for. */
async function download(into: string, signal: AbortSignal | undefined): Promise<Outcome> {
  const apt = (...args: string[]) => run("apt-get", ["-q", ...args], { cwd: into, signal });
  const first = await apt("download", "prometheus");
  if (first.status === 0 || first.status === 127) return first;
  for (const folder of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(into, "apt", folder), { recursive: true });
  const ours = [
    ...["-o", `Dir::State::Lists=${join(into, "apt/lists")}`],
    ...["-o", `Dir::Cache=${join(into, "apt/cache")}`],
    ...["-o", "Debug::NoLocking=true"],
  ];
  const updated = await apt(...ours, "update");
  return updated.status === 0 ? apt(...ours, "download", "prometheus") : updated;
}
