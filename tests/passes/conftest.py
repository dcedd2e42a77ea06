"""Here ``text_test.py`` runs the text tests, and not edgec's own pytest plugin."""

collect_ignore_glob = ["*.eir"]
