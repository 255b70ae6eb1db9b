-- Silences that somebody said to the daemon (those of _silences.yaml are texts of `rules`). Nothing ever wrote the table
-- of the first migration, which had no place for who said it, nor for an end before its time.

DROP TABLE silences;
CREATE TABLE silences (
    number INTEGER PRIMARY KEY, event_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
    -- {"rules": [glob, ...], "symbols": [...], "tags": [...]}
    matches TEXT NOT NULL, reason TEXT NOT NULL, said_by TEXT NOT NULL,
    -- When somebody ended it before its time, and who; 0: nobody has.
    ended_us INTEGER NOT NULL DEFAULT 0, ended_by TEXT NOT NULL DEFAULT ''
);
