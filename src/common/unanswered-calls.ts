/** Of this thread. */
let unanswered = 0;

/** Calls of the operating system that were given up and have not come back: Node does not end before they do. */
export function unansweredCalls(): number {
  return unanswered;
}

/** @returns to be called when the call comes back after all. */
export function giveUpCall(): () => void {
  unanswered += 1;
  return () => {
    unanswered -= 1;
  };
}
