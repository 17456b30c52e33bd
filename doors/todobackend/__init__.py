"""Todo-Backend (todobackend.com), for the clients that are written for it: todos are the tasks of one list of ours."""
