import { EventEmitter } from "events";

// Tells listeners about every tick.
export function ticker(milliseconds) {
  const emitter = new EventEmitter();
  const timer = setInterval(() => emitter.emit("tick", `at ${Date.now()}`), milliseconds);
  const stop = () => clearInterval(timer);
  return { emitter, stop };
}
