"""Pure facts of a market: ticks, bars, instruments, trading sessions, recorded files."""
