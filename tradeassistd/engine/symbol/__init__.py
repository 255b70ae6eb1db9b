"""What is known of one symbol: its quote, day values, look-backs and windows on ticks."""
