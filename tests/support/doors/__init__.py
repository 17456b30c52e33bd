"""What the tests of the doors share: the table of all that can be asked behind them, and how it is asked."""
