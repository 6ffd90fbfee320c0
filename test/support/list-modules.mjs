// Imported before a program: writes the URL of each module that it loads to the file that TEST_MODULES names.
import fs from 'node:fs';
import { registerHooks } from 'node:module';

const file = process.env.TEST_MODULES;

registerHooks({
  load(url, context, next) {
    if (file !== undefined) fs.appendFileSync(file, `${url}\n`);
    return next(url, context);
  },
});
