/** The console's stream of events. The browser comes back by itself with the number of the last one that it saw. */

const AGAIN_MS = 3_000;
/** The console says something at least every five seconds; a connection that is silent for longer is dead. */
const SILENT_MS = 20_000;
const EVENTS = ["hello", "snapshot", "hops", "happening", "job"];

/**
 * @param {(event: string, data: any) => void} onEvent
 * @param {(connected: boolean) => void} onConnected
 */
export function listen(onEvent, onConnected) {
  /** @type {EventSource | undefined} */
  let source;
  let heardAt = 0;
  const open = () => {
    source?.close();
    source = new EventSource("/api/events");
    heardAt = performance.now();
    source.onopen = () => onConnected(true);
    source.onerror = () => {
      onConnected(false);
      // It gives up by itself when it was refused.
      if (source?.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    };
    for (const name of EVENTS)
      source.addEventListener(name, (event) => {
        heardAt = performance.now();
        onConnected(true);
        onEvent(name, JSON.parse(event.data));
      });
  };
  open();
  setInterval(() => {
    if (source?.readyState === EventSource.OPEN && performance.now() - heardAt > SILENT_MS) open();
  }, AGAIN_MS);
}
