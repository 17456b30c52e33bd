"""What kind a test is of: those that play long run in `make test-all`, all others in `make test`."""

from collections.abc import Container

LONG = "long"
OTHERS = "everything else"
# In the order in which a test that has several of these marks is counted.
KINDS = ("browser", "clients", "versions", "fuzz", "slow", "faults")
# They play long, or start so much that a change can be proved right without waiting for them.
LONG_KINDS = frozenset(KINDS)

# Each of their tests makes, copies or kills whole servers, or waits for real timeouts of them: minutes, of which a
# change elsewhere learns nothing.
SLOW_FILES = frozenset(
    {
        "test_backup.py",
        "test_embedded.py",
        "test_replica.py",
        "test_restore.py",
        "test_rolling.py",
        "test_shutdown.py",
        "test_slow_clients.py",
        "test_supervisor.py",
    }
)


def kind_of(marks: Container[str]) -> str:
    """Return the kind of a test that has these marks."""
    return next((kind for kind in KINDS if kind in marks), OTHERS)
