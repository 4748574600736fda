import { settingsGroup } from './settings-group.js';
import { choice } from './validators.js';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export const logSettings = settingsGroup({
  specs: {
    /** The least severe lines that are written. */
    LOG_LEVEL: choice(LOG_LEVELS)({ default: 'info' }),
  },
  settings: (values) => ({ level: values.LOG_LEVEL }),
});
