/** The project of the tests, and what tests need to know about it. */
import { join } from "node:path";
import type { Project } from "../../contracts/project.ts";
import config from "./lockstep.config.ts";

export { product } from "./product.ts";

/** As a process loads it. */
export const project: Project = { ...config, folder: import.meta.dirname };

/** Path of the configuration: for the option `--config` and the variable LOCKSTEP_CONFIG. */
export const configFile = join(import.meta.dirname, "lockstep.config.ts");
