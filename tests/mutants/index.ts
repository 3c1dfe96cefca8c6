/** All mutants, by room. */
import { chaosMutants } from "./chaos.ts";
import { consoleMutants } from "./console.ts";
import { contractsMutants } from "./contracts.ts";
import { gatewayMutants } from "./gateway.ts";
import { kafkaMutants } from "./kafka.ts";
import type { Mutant } from "./mutant.ts";
import { observabilityMutants } from "./observability.ts";
import { operationsMutants } from "./operations.ts";
import { pipelineMutants } from "./pipeline.ts";
import { platformMutants } from "./platform.ts";
import { relayMutants } from "./relay.ts";
import { replicaReadMutants } from "./replica-reads.ts";
import { replicaMutants } from "./replicas.ts";
import { simulationMutants } from "./simulation.ts";
import { stackMutants } from "./stack.ts";
import { streamMutants } from "./stream.ts";

/** Every mutant of the product that tests, chaos or the simulation must notice. */
export const mutants: readonly Mutant[] = [
  ...gatewayMutants,
  ...relayMutants,
  ...streamMutants,
  ...kafkaMutants,
  ...pipelineMutants,
  ...replicaMutants,
  ...replicaReadMutants,
  ...platformMutants,
  ...contractsMutants,
  ...simulationMutants,
  ...chaosMutants,
  ...operationsMutants,
  ...consoleMutants,
  ...stackMutants,
  ...observabilityMutants,
];
