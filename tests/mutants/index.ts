/** All mutants, by room. */
import type { Mutant } from "./mutant.ts";
import { pipelineMutants } from "./pipeline.ts";
import { platformMutants } from "./platform.ts";
import { replicaMutants } from "./replicas.ts";
import { simulationMutants } from "./simulation.ts";
import { streamMutants } from "./stream.ts";

/** Every mutant of the product that tests, chaos or the simulation must notice. */
export const mutants: readonly Mutant[] = [
  ...streamMutants,
  ...pipelineMutants,
  ...replicaMutants,
  ...platformMutants,
  ...simulationMutants,
];
