"""A copy of an account's tasks and lists in a SQLite file: to read without the server, and to edit without it.

What is in it: the store, the edits that wait to be sent, and the steps of bringing both up to date. No HTTP: a client
carries the steps out.
"""

from todo_client.copy.edits import Edit
from todo_client.copy.local import LocalCopy
from todo_client.copy.rounds import SyncReport

__all__ = ["Edit", "LocalCopy", "SyncReport"]
