/**
 * Entry of the generator's process. Reads its options as JSON from the first argument, the token from
 * LOCKSTEP_TOKEN and the project from LOCKSTEP_CONFIG, and reports to its parent over IPC.
 */
import { loadProject } from "../../platform/project-file.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { workloadOf } from "../workload/workload.ts";
import { Generator, type GeneratorOptions } from "./generator.ts";

const options = JSON.parse(process.argv[2] ?? "") as GeneratorOptions;
const generator = new Generator(
  options,
  await workloadOf(await loadProject()),
  (message) => process.send?.(message),
  readSettings(process.env).LOCKSTEP_TOKEN,
);
let isDone = false;
// The parent disconnects when it has the result; exiting earlier could truncate the message. A disconnect before that
// means that the parent has ended.
process.on("disconnect", () => process.exit(isDone ? 0 : 1));
await generator.run();
isDone = true;
