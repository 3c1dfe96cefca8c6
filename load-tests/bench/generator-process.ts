/** Entry of the generator's process: takes its options as JSON in the first argument and LOCKSTEP_TOKEN, tells its parent over IPC. */
import { readSettings } from "../../platform/settings/settings.ts";
import { Generator, type GeneratorOptions } from "./generator.ts";

const options = JSON.parse(process.argv[2] ?? "") as GeneratorOptions;
const generator = new Generator(
  options,
  (message) => process.send?.(message),
  readSettings(process.env).LOCKSTEP_TOKEN,
);
let done = false;
// The parent disconnects once it has the result: ending by ourselves could cut that off. A parent that is gone before leaves
// nobody to measure for.
process.on("disconnect", () => process.exit(done ? 0 : 1));
await generator.run();
done = true;
