// Imported by tests that look for a way to wake an agent in their own process: it is as if nothing were above it. An
// agent may run the tests, and then its host is.
Object.defineProperty(process, 'ppid', { get: () => 1 });
