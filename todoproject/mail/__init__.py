"""Mail: where it goes out and what waits for it. What a mail says is in the apps."""
