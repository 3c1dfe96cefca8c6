/** Where the brokers are and how a connection to them is protected, from the settings. */
import type { SASLOptions } from "kafkajs";
import type { Settings } from "../platform/settings/settings.ts";
import type { LogOptions } from "./connect-log.ts";

export type BrokerSettings = Pick<
  Settings,
  | "KAFKA_BROKERS"
  | "KAFKA_TLS"
  | "KAFKA_TLS_CA"
  | "KAFKA_TLS_CERT"
  | "KAFKA_TLS_KEY"
  | "KAFKA_SASL_MECHANISM"
  | "KAFKA_SASL_USERNAME"
  | "KAFKA_SASL_PASSWORD"
>;

/** What the seam takes of the settings. Certificates are always checked, names included: there is no setting that leaves it out. */
export function brokerOptions(settings: BrokerSettings): Required<Pick<LogOptions, "brokers" | "security">> {
  const { KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = settings;
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = settings;
  return {
    brokers: settings.KAFKA_BROKERS,
    security: {
      ...(settings.KAFKA_TLS ? { ssl: { ...(ca ? { ca } : {}), ...(cert && key ? { cert, key } : {}) } } : {}),
      ...(mechanism && username && password ? { sasl: { mechanism, username, password } as SASLOptions } : {}),
    },
  };
}
