/** The port of each service and server. Users learn these ports, so they are a fixed rule. */

/** Offsets from the base. */
const offsets = {
  gateway: 0,
  stream: 3,
  relay: 4,
  console: 5,
  "gateway-db": 10,
  redis: 13,
  prometheus: 40,
  grafana: 41,
  jaeger: 42,
  "jaeger-otlp": 43,
} as const;

/** A name whose offset does not depend on the declared replicas. */
export type FixedName = keyof typeof offsets;

/** Distance between the ports of two instances of a service. */
const INSTANCE_STEP = 100;

/** Most instances of a service: their ports stay below the next thousand. */
export const MAX_INSTANCES = 9;

/** Most replicas: their ports end where the next range starts. */
export const MAX_REPLICAS = 6;

/** Port of a service or server. @param instance from 1; each further one adds 100. */
export const portOf = (base: number, name: FixedName, instance = 1): number =>
  base + offsets[name] + INSTANCE_STEP * (instance - 1);

/** Port of a replica: +1 and +2 for the first two, then from +6. @param index from 0. */
export const replicaPort = (base: number, index: number, instance = 1): number =>
  base + (index < 2 ? 1 : 4) + index + INSTANCE_STEP * (instance - 1);

/** True where several processes can accept connections on one port. */
export const SUPPORTS_SHARED_PORTS = process.platform === "linux";

/** Port of one instance beside the shared port: +100 for the first, +200 for the second, … */
export const privatePort = (port: number): number => port + INSTANCE_STEP;

/** Port of a replica's PostgreSQL: +11 and +12 for the first two, then from +14. @param index from 0. */
export const replicaDatabasePort = (base: number, index: number): number => base + (index < 2 ? 11 : 12) + index;

/** Ports of a broker: +20 for clients and +30 as controller for node 1, then ascending. @param nodeId from 1. */
export const brokerPorts = (base: number, nodeId: number): { port: number; controllerPort: number } => ({
  port: base + 19 + nodeId,
  controllerPort: base + 29 + nodeId,
});
