/** Translates the settings `KAFKA_*` into brokers, TLS and SASL for `connectLog`. */
import type { SASLOptions } from "kafkajs";
import type { Settings } from "../platform/settings/settings.ts";
import type { LogOptions } from "./connect-log.ts";

/** The settings that concern the connection to the brokers. */
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

/**
 * Returns `brokers` and `security` for `connectLog`. TLS always checks certificates and host names; no setting disables
 * it.
 */
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
