"""A Schwab that runs on this machine: OAuth, REST quotes and the streamer, over recorded or made-up markets."""
