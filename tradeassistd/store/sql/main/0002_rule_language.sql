-- What the whole rule language needs: more of a rule's state, and what a rule itself says when it fires.

-- The fields of a state that came after the columns, as one JSON object; a field that is left out has its default.
ALTER TABLE rule_states ADD COLUMN more TEXT NOT NULL DEFAULT '{}';
-- Somebody was told of these firings while they go on: their end may have to be told, too.
UPDATE rule_states SET more = '{"was_told":true}'
    WHERE state = 'firing' AND untold = 0 AND told_us > 0 AND told_us >= since_us;

ALTER TABLE transitions ADD COLUMN tell INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transitions ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE transitions ADD COLUMN message TEXT NOT NULL DEFAULT '';
-- [[name, value], ...]
ALTER TABLE transitions ADD COLUMN setup TEXT NOT NULL DEFAULT '[]';
