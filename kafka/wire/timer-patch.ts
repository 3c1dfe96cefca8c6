/**
 * kafkajs 2.2.4 plans a timer after every answer, with a delay of minus the time since 1970 when nothing is throttled: each
 * costs a wake-up, and newer runtimes print a TimeoutNegativeWarning to the user's terminal (tulios/kafkajs#1751). This
 * keeps the timers that have something to wait for.
 */
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

const plan = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) plan.call(this);
};
