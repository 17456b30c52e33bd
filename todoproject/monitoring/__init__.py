"""What operators and balancers ask a running process: is it ready, is it well, what has it counted."""
