/**
 * State that can be put back as it was: how an operator takes back what a function changed before it
 * threw. The states of a backend have it beside what users see.
 */
export interface SavableState {
  /**
   * Remembers the value of the current key and namespace. The result puts it back, while they are
   * current. Where a value has a time to live, that begins anew.
   */
  saved(): () => void;
}
