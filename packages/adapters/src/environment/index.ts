export { type BrokerSettings, brokerSettings, optionalBrokerSettings } from './broker.js';
export { type DatabaseSettings, databaseSettings, optionalDatabaseSettings } from './database.js';
export { type Fault, FaultyEnvironment } from './faults.js';
export { LOG_LEVELS, logSettings } from './log.js';
export {
  BATCH_CONCURRENCY,
  type BatchSettings,
  batchSettings,
  type PresenceSettings,
  presenceSettings,
} from './presence.js';
export {
  type Check,
  readEnvironment,
  readEnvironmentOrExit,
  type SettingsGroup,
  settingsGroup,
} from './settings-group.js';
export {
  issuerSettings,
  type SessionSettings,
  sessionSettings,
  type TokenSettings,
  tokenSettings,
} from './tokens.js';
export {
  boolean,
  choice,
  choices,
  duration,
  durationText,
  integer,
  list,
  port,
  type Range,
  readableFile,
  secretText,
  text,
  url,
  urls,
} from './validators.js';
export { type Environment, orFile, type SettingSpecs } from './value-file.js';
