-- Bars as Schwab tells them (pricehistory, CHART_*), beside those that were made of trades and never in their place.

CREATE TABLE official_bars (
    symbol TEXT NOT NULL, interval TEXT NOT NULL, start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL, open INTEGER NOT NULL, high INTEGER NOT NULL, low INTEGER NOT NULL,
    close INTEGER NOT NULL, volume INTEGER NOT NULL,
    -- rest or chart; when it was told.
    source TEXT NOT NULL, event_us INTEGER NOT NULL,
    PRIMARY KEY (symbol, interval, start_us)
) WITHOUT ROWID;

-- In which spans every official one-minute bar is there: what they lack was not traded.
CREATE TABLE filled (
    symbol TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL,
    source TEXT NOT NULL, event_us INTEGER NOT NULL,
    PRIMARY KEY (symbol, from_us)
) WITHOUT ROWID;

-- What came of asking for a trading day (YYYY-MM-DD): stored, there, empty, refused, and why. A day that is over and was
-- answered is not asked for again.
CREATE TABLE backfilled (
    symbol TEXT NOT NULL, interval TEXT NOT NULL, day TEXT NOT NULL,
    outcome TEXT NOT NULL, detail TEXT NOT NULL, bars INTEGER NOT NULL, whole INTEGER NOT NULL, event_us INTEGER NOT NULL,
    PRIMARY KEY (symbol, interval, day)
) WITHOUT ROWID;

CREATE INDEX audit_of_kind ON audit (kind, event_us);

-- Which rule sets share a text: when the last of them goes, the text does.
CREATE INDEX rules_of_text ON rules (text_number);
