class BackupError(Exception):
    """A backup cannot be made, read or restored; the message is for the operator, and says what to do."""
