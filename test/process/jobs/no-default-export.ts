/** A module that forgot to export its job. */
export const job = 'not exported as default';
