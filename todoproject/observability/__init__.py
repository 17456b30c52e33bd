"""What every part may tell, and nothing reads back: log lines, metrics, traces. The lowest floor."""
