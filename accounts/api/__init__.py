"""The API's handlers of accounts, sessions and tokens. No SQL, no ownership: that is `queries`."""
