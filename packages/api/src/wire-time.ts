import { formatTime } from '@presence/adapters/wire';
import type { Millis } from '@presence/domain';

export { formatTime };

export function formatLastSeen(time: Millis | null): string | null {
  return time === null ? null : formatTime(time);
}
