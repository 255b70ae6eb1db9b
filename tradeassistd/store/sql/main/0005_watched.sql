-- In which spans every trade of a symbol was seen: what the bars of these spans lack was not traded. A span that goes on
-- has to_us 0 and is known up to meta `watched_until_us`. The contract is the one behind a futures root.
CREATE TABLE watched (
    symbol TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, contract TEXT NOT NULL,
    PRIMARY KEY (symbol, from_us)
) WITHOUT ROWID;
