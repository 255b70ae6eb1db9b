"""What an expression is: its tree, the table of functions, kinds, units and arguments."""
