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

/** Distances from the base that replicas' ports can have, in the order of assignment. The next range starts after them. */
export const REPLICA_OFFSETS = [1, 2, 6, 7, 8, 9] as const;

/** Most replicas of a stack. */
export const MAX_REPLICAS = REPLICA_OFFSETS.length;

/** Port of a service or server. @param instance from 1; each further one adds 100. */
export const portOf = (base: number, name: FixedName, instance = 1): number =>
  base + offsets[name] + INSTANCE_STEP * (instance - 1);

/** Port of a replica. @param offset one of {@link REPLICA_OFFSETS}. */
export const replicaPort = (base: number, offset: number, instance = 1): number =>
  base + offset + INSTANCE_STEP * (instance - 1);

/** True where several processes can accept connections on one port. */
export const SUPPORTS_SHARED_PORTS = process.platform === "linux";

/** Port of one instance beside the shared port: +100 for the first, +200 for the second, … */
export const privatePort = (port: number): number => port + INSTANCE_STEP;

/** Port of a replica's PostgreSQL: +11 and +12 for the first two, then from +14. @param offset of the replica. */
export const replicaDatabasePort = (base: number, offset: number): number => base + (offset <= 2 ? 10 : 8) + offset;

/** Ports of a broker: +20 for clients and +30 as controller for node 1, then ascending. @param nodeId from 1. */
export const brokerPorts = (base: number, nodeId: number): { port: number; controllerPort: number } => ({
  port: base + 19 + nodeId,
  controllerPort: base + 29 + nodeId,
});
