"""`python -m todo_client` is the command `todo`."""

from todo_client.command import main

main()
