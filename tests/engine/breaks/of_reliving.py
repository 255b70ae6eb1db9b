"""What can be wrong when a daemon goes on from the tape of the one before it (engine.reliving)."""

from __future__ import annotations

from tests.engine.breaks.a_break import Break

WHOLE = "test_a_restart_anywhere_is_a_cut_of_that_length"
IN_PART = "test_what_is_relived_in_part_is_unknown_or_right"
KNOWN = "test_the_stories_here_come_to_know_what_they_ask"
QUIET = "test_who_knew_nothing_for_long_before_the_kill_has_no_cut_open"
COUNTED = "test_what_was_counted_before_a_cut_does_not_come_back_with_a_kill"
WARMING = "test_a_count_that_was_not_known_yet_goes_on_warming_up"
OPENED = "test_a_session_of_which_nothing_has_come_yet_is_cut_off_by_its_opening_after_a_kill_too"

BREAKS = (
    Break("nothing is relived", "reliving", "            engine.relive(event)\n", "            pass\n", WHOLE),
    Break("what was decided but not stored is lost", "reliving", "engine.on_event(event)) and self._decides:",
          "engine.on_event(event)) and False:", WHOLE),
    Break("what was stored is decided again", "reliving",
          "not self._decides and event_us > relived.saved_until_us:", "not self._decides:", WHOLE),
    Break("a rule that was judged for the first time is new again", "reliving",
          "        if self._rules_hash == self._start.rules_hash:\n", "        if False:\n", WHOLE),
    Break("rules go on from what they were judged to be, not from what is stored", "engine",
          "            machine.resume(state, self.now_us)\n", "            pass\n", WHOLE),
    Break("a replay keeps what a kill left unstored, too", "history/replay",
          "[one for one in said if one.event_us <= start.relived.saved_until_us]", "said", WHOLE),
    Break("what was not watched counts as seen", "watch", "        self.missed_us = max(missed_us, self._seen_us)\n",
          "        self.missed_us = 0\n", IN_PART),
    Break("a cut before the kill is open for ever", "engine", "            machine.rejoin(", "            str(", QUIET),
    Break("what has changed since the last session is live after a kill", "machine",
          "        return seen_us > since_us\n", "        return True\n", OPENED),
    Break("who knew nothing yet begins anew with what is decided", "machine",
          "            self.closes_us = 0\n        self.dirty", "            self.cut()\n        self.dirty", WARMING),
    Break("what a cut took is not stored", "machine", "            self.dirty = True  # a kill before the next judging",
          "            pass  # a kill before the next judging", COUNTED),
    Break("nobody counts how often a bar closed so", "engine",
          "                streak.bar_closed(now_us)\n", "                pass\n", KNOWN),
)  # fmt: skip
