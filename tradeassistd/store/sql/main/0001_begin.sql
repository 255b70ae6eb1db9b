-- Times are UTC microseconds, prices scaled integers (10^-8), JSON is text.

CREATE TABLE instruments (
    symbol TEXT PRIMARY KEY, kind TEXT NOT NULL, root TEXT NOT NULL, tick_size INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE bars (
    symbol TEXT NOT NULL, interval TEXT NOT NULL, session TEXT NOT NULL, start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL, open INTEGER NOT NULL, high INTEGER NOT NULL, low INTEGER NOT NULL,
    close INTEGER NOT NULL, volume INTEGER NOT NULL, trades INTEGER NOT NULL,
    PRIMARY KEY (symbol, interval, session, start_us)
) WITHOUT ROWID;

-- An empty symbol means every symbol.
CREATE TABLE gaps (
    symbol TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL,
    reason TEXT NOT NULL, event_us INTEGER NOT NULL,
    PRIMARY KEY (symbol, from_us)
) WITHOUT ROWID;

-- Each accepted version of the rule set, file by file.
CREATE TABLE rules (
    set_hash TEXT NOT NULL, file TEXT NOT NULL, text TEXT NOT NULL,
    git_commit TEXT NOT NULL, event_us INTEGER NOT NULL,
    PRIMARY KEY (set_hash, file)
) WITHOUT ROWID;

CREATE TABLE rule_states (
    rule_id TEXT NOT NULL, symbol TEXT NOT NULL, level INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, state TEXT NOT NULL, judged_us INTEGER NOT NULL, since_us INTEGER NOT NULL,
    told_us INTEGER NOT NULL, untold INTEGER NOT NULL, sides TEXT NOT NULL, held_us INTEGER NOT NULL,
    holding_us INTEGER NOT NULL,
    -- A condition that went away keeps its state, for it may come back (git checkout and back).
    PRIMARY KEY (rule_id, symbol, level, fingerprint)
) WITHOUT ROWID;

-- One event can make several transitions; position is their order.
CREATE TABLE transitions (
    event_us INTEGER NOT NULL, position INTEGER NOT NULL,
    rule_id TEXT NOT NULL, symbol TEXT NOT NULL, level INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL, suppressed TEXT NOT NULL, value REAL, unit TEXT NOT NULL,
    price INTEGER, since_us INTEGER NOT NULL, late INTEGER NOT NULL, operands TEXT NOT NULL,
    PRIMARY KEY (event_us, position)
) WITHOUT ROWID;
CREATE INDEX transitions_of_rule ON transitions (rule_id, event_us);
CREATE INDEX transitions_of_symbol ON transitions (symbol, event_us);

CREATE TABLE alerts (
    id TEXT PRIMARY KEY, event_us INTEGER NOT NULL, position INTEGER NOT NULL,
    severity TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    rules_hash TEXT NOT NULL, description TEXT NOT NULL,
    FOREIGN KEY (event_us, position) REFERENCES transitions (event_us, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX alerts_of_transition ON alerts (event_us, position);
CREATE INDEX alerts_of_severity ON alerts (severity, event_us);

CREATE TABLE deliveries (
    alert_id TEXT NOT NULL REFERENCES alerts (id), channel TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, created_us INTEGER NOT NULL, settled_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL, error TEXT NOT NULL, maybe_repeat INTEGER NOT NULL,
    PRIMARY KEY (alert_id, channel)
) WITHOUT ROWID;
-- The outbox: what is not settled yet.
CREATE INDEX deliveries_open ON deliveries (channel, created_us) WHERE state IN ('pending', 'sending', 'retrying');

CREATE TABLE silences (
    id INTEGER PRIMARY KEY AUTOINCREMENT, matches TEXT NOT NULL, from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL, reason TEXT NOT NULL, event_us INTEGER NOT NULL
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
);
