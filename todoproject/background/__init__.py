"""Work that nobody waits for: when it is looked for, and the process that does it. What there is to do, apps say."""
