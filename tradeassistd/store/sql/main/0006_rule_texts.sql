-- Accepted rule sets share the texts they have in common: of a thousand files an edit stores one. A text from before has
-- no hash of its own, so the next accepted set brings it once more.
CREATE TABLE rule_sets (
    number INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, git_commit TEXT NOT NULL, event_us INTEGER NOT NULL
);
CREATE TABLE rule_texts (number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, text TEXT NOT NULL);

ALTER TABLE rules RENAME TO rules_before;
CREATE TABLE rules (
    set_number INTEGER NOT NULL REFERENCES rule_sets (number), file TEXT NOT NULL,
    text_number INTEGER NOT NULL REFERENCES rule_texts (number),
    PRIMARY KEY (set_number, file)
) WITHOUT ROWID;
INSERT INTO rule_sets (hash, git_commit, event_us)
    SELECT set_hash, max(git_commit), max(event_us) FROM rules_before GROUP BY set_hash ORDER BY 3;
INSERT INTO rule_texts (hash, text)
    SELECT 'before ' || row_number() OVER (), text FROM (SELECT DISTINCT text FROM rules_before);
CREATE INDEX rule_texts_of_before ON rule_texts (text);
INSERT INTO rules (set_number, file, text_number)
    SELECT rule_sets.number, rules_before.file, rule_texts.number FROM rules_before
    JOIN rule_sets ON rule_sets.hash = rules_before.set_hash JOIN rule_texts ON rule_texts.text = rules_before.text;
DROP INDEX rule_texts_of_before;
DROP TABLE rules_before;
