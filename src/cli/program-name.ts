/** The name of this program in the envelopes of what its commands post. */
export const programName = 'ipc';
