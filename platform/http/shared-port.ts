/**
 * A port that several instances of a service on one machine have in common (SO_REUSEPORT: the kernel spreads new connections over them),
 * led through to each instance's own.
 *
 * Not a second port of the HTTP server itself: Bun's cannot stop accepting without closing the connections that it has, also those on which
 * the next request is on its way, and the instance would be given new ones until then. Here the listener goes first, and nobody's connection with it.
 */
import type { Socket } from "bun";

interface End {
  /** The other side; undefined until it is connected. */
  peer?: Socket<End>;
  /** What the other side could not take yet. While there is any, nothing more is read from here. */
  waiting: Uint8Array[];
  closed: boolean;
}

export interface SharedPort {
  /** New connections go to other instances from then on; those that are there stay. Resolves within {@link LEAVE_WITHIN_MS}. */
  leave(): Promise<void>;
}

const LEAVE_WITHIN_MS = 500;
/** A turn of the event loop that took no longer has accepted all that there was to accept until so shortly before. */
const SHORT_TURN_MS = 0.3;

/** @throws {Error} when the port is taken by somebody who does not share it. */
export function sharePort(at: { readonly hostname: string; readonly port: number; readonly to: number }): SharedPort {
  const { hostname, port } = at;
  const open = (client: Socket<End>) => {
    client.data = { waiting: [], closed: false };
    const server: End = { peer: client, waiting: [], closed: false };
    Bun.connect<End>({ hostname, port: at.to, data: server, socket: relaying }).then(
      (connected) => join(client, connected),
      () => client.end(),
    );
  };
  // Bun's types do not know reusePort here; its runtime does.
  const options = { hostname, port, reusePort: true, socket: { ...relaying, open } };
  const listener = Bun.listen<End>(options);
  return {
    async leave() {
      await untilShortTurn();
      listener.stop(false);
    },
  };
}

/** What the kernel has taken for a listener and nobody has accepted yet is cut off when that is closed: so it is closed right after a look at it. */
async function untilShortTurn(): Promise<void> {
  const until = performance.now() + LEAVE_WITHIN_MS;
  for (let before = performance.now(); before < until; before = performance.now()) {
    await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() - before < SHORT_TURN_MS) return;
  }
}

/** Both ends alike: what comes in at one goes out at the other. */
const relaying = {
  data(from: Socket<End>, chunk: Uint8Array) {
    const { peer, waiting } = from.data;
    // The buffer is the runtime's own and used again.
    if (!peer || waiting.length > 0) return void waiting.push(chunk.slice());
    const taken = peer.write(chunk);
    if (taken >= chunk.length) return;
    waiting.push(chunk.slice(Math.max(0, taken)));
    from.pause();
  },
  drain(to: Socket<End>) {
    if (to.data.peer) flush(to.data.peer);
  },
  close(from: Socket<End>) {
    from.data.closed = true;
    if (from.data.waiting.length === 0) from.data.peer?.end();
  },
  error(from: Socket<End>) {
    from.data.peer?.end();
  },
};

function join(client: Socket<End>, server: Socket<End>): void {
  client.data.peer = server;
  flush(client);
}

/** Writes what waits; goes on reading, or ends, once all is out. */
function flush(from: Socket<End>): void {
  const { peer, waiting, closed } = from.data;
  for (let chunk = waiting[0]; peer && chunk; chunk = waiting[0]) {
    const taken = Math.max(0, peer.write(chunk));
    if (taken < chunk.length) {
      waiting[0] = chunk.subarray(taken);
      return;
    }
    waiting.shift();
  }
  if (closed) peer?.end();
  else from.resume();
}
