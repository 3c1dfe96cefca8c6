/** Generates certificates for tests at run time, so that the repository contains no private key. */
// @peculiar/x509 requires reflect-metadata for its dependency injection.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** A certificate and its private key, both as PEM. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority that exists in memory only. */
export interface CertificateAuthority {
  /** Its root certificate as PEM. */
  readonly ca: string;
  /** Issues a certificate. @param name its subject, and the IP address or host name for which it is valid. */
  issue(name: string): Promise<IssuedCertificate>;
}

const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

const generateKeys = () => webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
const oneDayValidity = () => ({ notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) });

/** Creates an authority. Its certificates are valid from yesterday until tomorrow. */
export async function createAuthority(): Promise<CertificateAuthority> {
  x509.cryptoProvider.set(webcrypto as Crypto);
  const own = await generateKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Test authority",
    ...oneDayValidity(),
    signingAlgorithm: EC,
    keys: own,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    ca: root.toString("pem"),
    async issue(name) {
      const { publicKey, privateKey } = await generateKeys();
      const cert = await x509.X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: root.subject,
        ...oneDayValidity(),
        signingAlgorithm: EC,
        publicKey,
        signingKey: own.privateKey,
        extensions: [
          new x509.SubjectAlternativeNameExtension([{ type: /^[\d.]+$/.test(name) ? "ip" : "dns", value: name }]),
        ],
      });
      const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", privateKey)).toString("base64");
      const lines = pkcs8.match(/.{1,64}/g)!.join("\n");
      return { cert: cert.toString("pem"), key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----` };
    },
  };
}
