/** Property tests. What they draw is decided by the seed of the tests; a failure prints how to see it again. */
import fc from 'fast-check';
import { seed } from './seed.ts';

fc.configureGlobal({ seed });

export { fc };
