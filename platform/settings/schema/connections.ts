/** Settings: the servers that a service connects to. */
import { z } from "zod";
import { flag, pem, setting, text, url, wholeNumber } from "./setting.ts";

/** PostgreSQL, Kafka brokers and Redis. */
export const connections = {
  DATABASE_URL: setting(
    url(/^postgres(ql)?$/, "postgres://user:password@host:5432/database"),
    "PostgreSQL of this service: the source for gateway and relay, the replica's own database for a replica",
    true,
  ),
  LOCKSTEP_DATABASE_POOL: setting(
    wholeNumber(1, 100, 4),
    "Connections to PostgreSQL. A gateway opens one more, for its health check. A replica opens at least 4 and one for each of " +
      "its entities, so 5 for the example. A relay does not use this setting",
  ),
  LOCKSTEP_STATEMENT_TIMEOUT_MS: setting(
    wholeNumber(100, 600_000, 10_000),
    "Longest duration of one database statement, in milliseconds",
  ),
  KAFKA_BROKERS: setting(
    z
      .string()
      .default("127.0.0.1:9092")
      .transform((list) => list.split(",").map((broker) => broker.trim()))
      .refine(
        (list) => list.every((b) => /^[^\s:]+:\d{1,5}$/.test(b)),
        "must be host:port; separate several by commas",
      ),
    "Brokers for the first connection, as host:port, separated by commas",
  ),
  KAFKA_TLS: setting(
    flag(false),
    "Connect to brokers over TLS. Their certificates are verified with KAFKA_TLS_CA, or else with the system's authorities",
  ),
  KAFKA_TLS_CA: setting(
    pem("CERTIFICATE"),
    "Certificates of the authorities that sign the brokers' certificates, as PEM; KAFKA_TLS_CA_FILE names a file with them",
    true,
  ),
  KAFKA_TLS_CERT: setting(
    pem("CERTIFICATE"),
    "Client certificate of this process for brokers (mutual TLS), as PEM",
    true,
  ),
  KAFKA_TLS_KEY: setting(pem("[A-Z ]*PRIVATE KEY"), "Private key of KAFKA_TLS_CERT, as PEM", true),
  KAFKA_SASL_MECHANISM: setting(
    z
      .enum(["plain", "scram-sha-256", "scram-sha-512"], { error: "must be plain, scram-sha-256 or scram-sha-512" })
      .optional(),
    "How this process authenticates to brokers. plain sends the password itself, so it requires KAFKA_TLS=true",
  ),
  KAFKA_SASL_USERNAME: setting(text(), "User name of this process at the brokers"),
  KAFKA_SASL_PASSWORD: setting(text(), "Password of this process at the brokers", true),
  REDIS_URL: setting(
    url(/^rediss?$/, "redis://host:6379"),
    "Redis of a replica. Without it, all reads come from PostgreSQL",
    true,
  ),
} as const;
