"""How staff get into the admin, and what they may do there: sign-in, second factor, sessions, rights."""
