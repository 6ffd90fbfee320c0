/** The command line's entry: bin/tidemark.mjs imports it, with the arguments in process.argv. */
export {};
