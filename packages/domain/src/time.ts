/** A moment: whole milliseconds since 1970-01-01T00:00:00Z. */
export type Millis = number;

/** A length of time in whole milliseconds. */
export type Duration = number;
