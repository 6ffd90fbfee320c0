export { EngineError, type EngineErrorOptions, type ErrorKind } from './common/errors.ts';
