/** The services of Lockstep. */

/** Services that run once per system, each as one or more instances. A replica's service is named `replica-<name>`. */
export const coreServices = ["gateway", "relay", "stream", "console"] as const;

/** True for a process of Lockstep; false for a server that it uses, such as a database. */
export const isService = ({ kind }: { readonly kind: string }): boolean =>
  kind === "replica" || (coreServices as readonly string[]).includes(kind);
