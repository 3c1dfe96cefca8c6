/** The project of the tests, and what tests need to know about it. */
import { join } from "node:path";
import project from "./lockstep.config.ts";

export { product } from "./product.ts";
export { project };

/** Path of the configuration: for the option `--config` and the variable LOCKSTEP_CONFIG. */
export const configFile = join(import.meta.dirname, "lockstep.config.ts");
