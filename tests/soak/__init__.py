"""A simulated week at high speed, with faults by chance, against an oracle that saw the true prices."""
