-- What routes need: deliveries that wait for their time, that another one carries, that stand in for another channel.

-- Market time before which it is not sent; 0: at once.
ALTER TABLE deliveries ADD COLUMN not_before_us INTEGER NOT NULL DEFAULT 0;
-- quiet (held by quiet hours), escalation, fallback (another channel failed), or empty.
ALTER TABLE deliveries ADD COLUMN why TEXT NOT NULL DEFAULT '';
-- Of a fallback: the channel that failed.
ALTER TABLE deliveries ADD COLUMN instead_of TEXT NOT NULL DEFAULT '';
-- Of one that is folded: the alert whose message of the same channel carries it.
ALTER TABLE deliveries ADD COLUMN folded_into TEXT NOT NULL DEFAULT '';
-- Of one that carries others: how many.
ALTER TABLE deliveries ADD COLUMN carries INTEGER NOT NULL DEFAULT 0;
-- JSON list of the channels that are told when it fails or expires.
ALTER TABLE deliveries ADD COLUMN fallback TEXT NOT NULL DEFAULT '[]';

CREATE INDEX deliveries_held ON deliveries (channel, not_before_us) WHERE state = 'pending' AND not_before_us > 0;
CREATE INDEX deliveries_folded ON deliveries (folded_into, channel) WHERE state = 'folded';
CREATE INDEX deliveries_escalating ON deliveries (alert_id) WHERE why = 'escalation' AND state IN ('pending', 'retrying');
