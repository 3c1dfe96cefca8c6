/** The health of one service, from its own health endpoint. */
import { type Readiness, readReadiness } from "../../platform/http/read-readiness.ts";
import type { StackEntry } from "../../platform/stack-file.ts";

/** Health of one instance of a service. */
export interface ServiceHealth extends Readiness {
  readonly name: string;
  /** From 1. */
  readonly instance: number;
  readonly url: string;
}

/** Reads `/health/ready` of a service. Never rejects: a service that does not answer within 2 s is down. */
export const readServiceHealth = async ({ name, instance, url }: StackEntry): Promise<ServiceHealth> => ({
  name,
  instance,
  url,
  ...(await readReadiness(url)),
});
