-- One trading day. `at` is the microsecond of that day (meta: begin_us); keys are symbol id << 40 | at.

-- A symbol gets a further entry when a price needs more decimals than its last one has.
CREATE TABLE symbols (id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, decimals INTEGER NOT NULL);

-- last in units of 10^-decimals; bid = last - bid_below, ask = last + ask_above (with last unknown: of zero);
-- trade and quote: milliseconds before the event; size: of the trade, NULL when it was none.
CREATE TABLE ticks (
    key INTEGER PRIMARY KEY, last INTEGER, bid_below INTEGER, ask_above INTEGER, bid_size INTEGER, ask_size INTEGER,
    volume INTEGER, trade_before_ms INTEGER, quote_before_ms INTEGER, size INTEGER, changed INTEGER NOT NULL
);

-- Whole seconds passing: one a second, so nothing but the key.
CREATE TABLE clock (at INTEGER PRIMARY KEY);

-- Every other event as JSON, and ticks whose numbers fit no column.
CREATE TABLE events (at INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL);
