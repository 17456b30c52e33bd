"""The API's handlers of tasks. No SQL, no ownership: that is `queries`."""
