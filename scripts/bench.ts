// `npm run bench -- <name> [options]`: see bench/main.ts.
import '../bench/main.ts';
