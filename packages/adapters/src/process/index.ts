export { compileEarly } from './compiler.js';
export { collectAlone, keepHeapSmall } from './heap.js';
export { listenFault } from './listen-fault.js';
export { createLogger, logFile } from './logger.js';
export { outliveErrors } from './outlive-errors.js';
export { onStopSignal } from './stop-signals.js';
export { messageOf, printable, printableJson } from './terminal-text.js';
