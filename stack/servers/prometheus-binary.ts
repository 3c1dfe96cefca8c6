/** The Prometheus programs: the machine's own, or unpacked from Debian's package once per machine. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cached, MissingComponentError, withProgress } from "./machine-cache.ts";
import { type CommandResult, errorLineOf, run } from "./run-command.ts";
import type { StartOptions } from "./server.ts";

const REMEDY = "put prometheus and promtool on the PATH (https://prometheus.io/download)";

/** Paths of the programs. */
export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/**
 * The paths of both programs.
 *
 * @throws {MissingComponentError} when the machine has neither the programs nor apt to fetch them.
 */
export async function prometheusPrograms(options: StartOptions): Promise<PrometheusPrograms> {
  const results = await Promise.all(["prometheus", "promtool"].map((program) => run(program, ["--version"])));
  if (results.every(({ status }) => status === 0)) return { prometheus: "prometheus", promtool: "promtool" };
  const folder = await cached(
    `prometheus-debian-${process.arch}`,
    (into) =>
      withProgress(
        "fetching Prometheus from the system's packages (19 MB, once per machine)",
        () => unpack(into, options),
        options,
      ),
    options,
  );
  const bin = join(folder, "usr/bin");
  return { prometheus: join(bin, "prometheus"), promtool: join(bin, "promtool") };
}

async function unpack(into: string, { signal }: StartOptions): Promise<void> {
  const fetched = await download(into, signal);
  if (fetched.status === 127)
    throw new MissingComponentError("Prometheus is not on this machine, and there is no apt-get to fetch it", REMEDY);
  const archive = readdirSync(into).find((name) => name.endsWith(".deb"));
  if (fetched.status !== 0 || !archive)
    throw new MissingComponentError(`Prometheus could not be fetched (${errorLineOf(fetched.output)})`, REMEDY);
  const unpacked = await run("dpkg-deb", ["-x", join(into, archive), into]);
  if (unpacked.status !== 0)
    throw new MissingComponentError(`Prometheus could not be unpacked (${errorLineOf(unpacked.output)})`, REMEDY);
  for (const leftover of [archive, "apt"]) rmSync(join(into, leftover), { recursive: true, force: true });
}

/**
 * Downloads the package. Most images have no package lists: apt then reads them into a folder of this user, which needs
 * no root privileges.
 */
async function download(into: string, signal: AbortSignal | undefined): Promise<CommandResult> {
  const apt = (...args: string[]) => run("apt-get", ["-q", ...args], { cwd: into, signal });
  const first = await apt("download", "prometheus");
  if (first.status === 0 || first.status === 127) return first;
  for (const folder of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(into, "apt", folder), { recursive: true });
  const ownFolders = [
    ...["-o", `Dir::State::Lists=${join(into, "apt/lists")}`],
    ...["-o", `Dir::Cache=${join(into, "apt/cache")}`],
    ...["-o", "Debug::NoLocking=true"],
  ];
  const updated = await apt(...ownFolders, "update");
  return updated.status === 0 ? apt(...ownFolders, "download", "prometheus") : updated;
}
