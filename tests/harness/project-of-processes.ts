/**
 * Makes the processes that tests start run the project of the tests, as users do with LOCKSTEP_CONFIG. Bun loads this
 * module before a test run (bunfig.toml).
 */
import { configFile } from "../project/index.ts";

process.env.LOCKSTEP_CONFIG = configFile;
