"""The command `todo`. What is in it: arguments, what is shown, what is remembered between two commands.

What a task is and how the server is asked is not: that is the client's.
"""
