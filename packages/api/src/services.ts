import type { Millis } from '@presence/domain';
import type { DatabaseWatch } from './database-watch.js';
import type { ApiDependencies } from './dependencies.js';
import type { EndedSessions } from './ended-sessions.js';
import type { Readiness } from './readiness.js';
import type { ServingSettings } from './settings.js';

/** What the routes work with. */
export interface ApiServices extends ApiDependencies {
  readonly settings: ServingSettings;
  /** This machine's clock, brought back where it is so far ahead that workers refuse what it stamps. */
  readonly now: () => Millis;
  readonly ended: EndedSessions;
  readonly watch: DatabaseWatch;
  readonly readiness: Readiness;
}
