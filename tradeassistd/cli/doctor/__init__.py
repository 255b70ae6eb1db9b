"""`tradeassist doctor`: one line per check of this machine and of the daemon on it, by kind of check."""
